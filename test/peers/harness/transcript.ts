/**
 * What clients and the driver saw, in a form in which two runs can be compared. Only what differs by nature is made
 * equal: socket ids become the client's name. Long strings and bytes are shown by their ends, length and hash.
 */
import { createHash } from "node:crypto";

/** One thing that was seen. `line` orders it: what shares a line must come in the same order in both runs. */
export interface Entry {
  line: string;
  text: string;
}

/** Who saw what: client names (and "driver", for results of operations) to their entries. */
export type Transcript = Map<string, Entry[]>;

const shortest = 160;

function abridge(text: string, kind: string, bytes: Uint8Array | string): string {
  const hash = createHash("sha1").update(bytes).digest("hex").slice(0, 16);
  return `${text.slice(0, 40)}…${text.slice(-30)} (${kind} of ${bytes.length}, sha1 ${hash})`;
}

function mapStrings(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === "string") {
    const text = replace(value);
    return text.length > shortest ? abridge(text, "string", text) : text;
  }
  if (value instanceof Uint8Array) {
    const hex = Buffer.from(value).toString("hex");
    return { bytes: hex.length > shortest ? abridge(hex, "bytes", value) : hex };
  }
  if (value instanceof ArrayBuffer) return mapStrings(new Uint8Array(value), replace);
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, replace));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapStrings(item, replace)]));
  }
  return value === undefined ? { undefined: true } : value;
}

/** The value's canonical text. `names` maps socket ids to client names. The order of keys is kept: it is data too. */
export function canonical(value: unknown, names: ReadonlyMap<string, string>): string {
  return JSON.stringify(mapStrings(value, (text) => names.get(text) ?? text));
}

/**
 * The order domain of an event: who emitted it and, for frames of a chat, which chat. Events of different emitters
 * reach a client in no fixed order with plain Redis either.
 */
export function lineOf(args: readonly unknown[]): string {
  const first = args[0];
  if (first === null || typeof first !== "object") return "";
  const { from, chat_id: chat } = first as { from?: unknown; chat_id?: unknown };
  return `${String(from ?? "")}/${String(chat ?? "")}`;
}

function byLine(entries: readonly Entry[]): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  for (const { line, text } of entries) {
    const texts = lines.get(line);
    if (texts === undefined) lines.set(line, [text]);
    else texts.push(text);
  }
  return lines;
}

/** Where two transcripts differ, one sentence each, at most `limit` of them. Empty: they are the same. */
export function differences(expected: Transcript, actual: Transcript, limit = 12): string[] {
  const found: string[] = [];
  for (const who of new Set([...expected.keys(), ...actual.keys()])) {
    const left = byLine(expected.get(who) ?? []);
    const right = byLine(actual.get(who) ?? []);
    for (const line of new Set([...left.keys(), ...right.keys()])) {
      const want = left.get(line) ?? [];
      const have = right.get(line) ?? [];
      if (want.length !== have.length) {
        found.push(`${who}, line ${line}: ${want.length} entries without sidecars, ${have.length} with`);
      }
      const at = want.findIndex((text, index) => text !== have[index]);
      if (at >= 0) found.push(`${who}, line ${line}, entry ${at}: ${want[at]} became ${have[at]}`);
      else if (have.length > want.length) found.push(`${who}, line ${line}: too many, first ${have[want.length]}`);
    }
  }
  return found.slice(0, limit);
}

/** How many entries a transcript has: a comparison of two empty ones would prove nothing. */
export function sizeOf(transcript: Transcript): number {
  let size = 0;
  for (const entries of transcript.values()) size += entries.length;
  return size;
}
