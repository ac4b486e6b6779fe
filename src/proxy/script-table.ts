/**
 * Script bodies that apps have sent with EVAL, and the SHA-1 that stands for each: see scripts.ts.
 *
 * Found by a fingerprint and then compared byte by byte, so that a body is hashed with SHA-1 once and not at every call. Two bodies with one fingerprint take each other's place; that costs bytes and is never a mistake.
 */
import { createHash } from "node:crypto";

export interface ScriptTableLimits {
  /** Most bodies; 0 remembers none. */
  count: number;
  /** Most bytes of all bodies together; a body that is longer by itself is not remembered. */
  bytes: number;
}

/** Below this length a body is hardly longer than its hash with what EVALSHA adds: nothing to gain. */
export const MIN_BODY_BYTES = 60;

/** Most 32-bit words of a body that its fingerprint is made of: a body of 4 KiB whole. */
const MOST_WORDS = 1024;

/** What a server says of a script it does not have, or of a command it denies: in a body, it may be the script's own answer. */
const TELL_TALES = ["NOSCRIPT", "NOPERM"].map((word) => Buffer.from(word));

interface Known {
  readonly key: number;
  readonly body: Buffer;
  /** 40 hexadecimal digits; undefined until the body comes again; null where EVALSHA must not stand for it. */
  sha: Buffer | null | undefined;
}

export class ScriptTable {
  readonly #limits: ScriptTableLimits;
  readonly #full: (limit: "scripts" | "scriptBytes") => void;
  /** Least recently used first. */
  readonly #known = new Map<number, Known>();
  #newest: Known | undefined;
  #bytes = 0;

  /** @param full called whenever a limit makes the table forget a body, or not take one */
  constructor(limits: ScriptTableLimits, full: (limit: "scripts" | "scriptBytes") => void) {
    this.#limits = limits;
    this.#full = full;
  }

  get count(): number {
    return this.#known.size;
  }

  /** Bytes of all remembered bodies. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Looks a body up, and remembers it.
   * @returns the SHA-1 as 40 hexadecimal digits where the body has come before and EVALSHA may stand for it
   */
  look(body: Buffer): Buffer | undefined {
    if (body.length < MIN_BODY_BYTES || this.#limits.count === 0) return undefined;
    const key = fingerprint(body);
    const known = this.#known.get(key);
    if (known === undefined || !known.body.equals(body)) {
      if (known !== undefined) this.#forget(known);
      this.#remember(key, body);
      return undefined;
    }
    this.#touch(known);
    if (known.sha === undefined) known.sha = shaOf(known.body);
    return known.sha ?? undefined;
  }

  #remember(key: number, body: Buffer): void {
    const { count, bytes } = this.#limits;
    if (body.length > bytes) {
      this.#full("scriptBytes");
      return;
    }
    while (this.#known.size >= count || this.#bytes + body.length > bytes) {
      this.#full(this.#known.size >= count ? "scripts" : "scriptBytes");
      this.#forget(this.#known.values().next().value!);
    }
    const known: Known = { key, body: Buffer.from(body), sha: undefined };
    this.#known.set(key, known);
    this.#newest = known;
    this.#bytes += body.length;
  }

  #touch(known: Known): void {
    if (known === this.#newest) return;
    this.#known.delete(known.key);
    this.#known.set(known.key, known);
    this.#newest = known;
  }

  #forget(known: Known): void {
    this.#known.delete(known.key);
    this.#bytes -= known.body.length;
    if (this.#newest === known) this.#newest = undefined;
  }
}

function shaOf(body: Buffer): Buffer | null {
  if (TELL_TALES.some((word) => body.includes(word))) return null;
  return Buffer.from(createHash("sha1").update(body).digest("hex"), "latin1");
}

/** A number made of its length and its 32-bit words: all of them, or of a long body as many as that, spread over it. */
function fingerprint(body: Buffer): number {
  const last = body.length - 4;
  const step = 4 * Math.ceil(body.length / 4 / MOST_WORDS);
  let hash = body.length;
  for (let at = 0; at < last; at += step) hash = mix(hash, body.readInt32LE(at));
  return mix(hash, body.readInt32LE(last));
}

function mix(hash: number, word: number): number {
  const product = Math.imul(hash ^ word, 0x01000193);
  // Its high bits hold what its low bits lose.
  return product ^ (product >>> 15);
}
