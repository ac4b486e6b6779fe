/**
 * The differential runner: plays one scripted case to a server directly and, step by step at the same time, to a
 * sidecar before another server of the same kind, and compares the bytes that come back on every connection.
 * Black box and raw sockets only: a reply that is no RESP at all must show up in the comparison, not in a decoder.
 */
import { connect, type Socket } from "node:net";
import { encodeRequest, NaiveDecoder, plain, RespPush, type RespValue } from "../../support/resp-values.js";

export interface Step {
  /** The connection that sends; it is opened when a case names it for the first time. */
  on: string;
  send: Buffer;
  /** No answer is due on `on`. */
  silent?: boolean;
  /** Other connections that must hear something because of this step. */
  hears?: string[];
  /** Half-closes the connection after sending. */
  end?: boolean;
}

/**
 * How bytes are looked at before they are compared, where two servers cannot say the same:
 * `integers`: every RESP integer is alike; `digits`: every run of digits is alike, bulk lengths too;
 * `anyOrder`: top-level values in any order (own pushes beside replies);
 * `names`: acks of an UNSUBSCRIBE of everything, which a server sends in the order of a table with a random seed.
 */
export type Look = "integers" | "digits" | "anyOrder" | "names";

export interface Case {
  name: string;
  steps: Step[];
  look?: Look | Look[] | Record<string, Look | Look[]>;
  /** Why the case is left out at present; shown by the test runner. */
  skip?: string;
}

/** A request of words; quotes are not special. */
export function words(text: string): Buffer {
  return encodeRequest(text.split(" "));
}

/** One connection sends requests, given as words, in one write. */
export function send(on: string, ...requests: (string | Buffer)[]): Step {
  return { on, send: Buffer.concat(requests.map((one) => (typeof one === "string" ? words(one) : one))) };
}

/** As `send`, and nothing is answered. */
export function quietly(on: string, ...requests: (string | Buffer)[]): Step {
  return { ...send(on, ...requests), silent: true };
}

/** As `send`, and other connections hear of it. */
export function heardBy(others: string[], on: string, ...requests: (string | Buffer)[]): Step {
  return { ...send(on, ...requests), hears: others };
}

/** Bytes as they are. */
export function raw(on: string, text: string | Buffer): Step {
  return { on, send: Buffer.isBuffer(text) ? text : Buffer.from(text, "latin1") };
}

/** One simple case on connection `a`, each request a step of its own. */
export function sequence(name: string, ...requests: (string | Buffer)[]): Case {
  return { name, steps: requests.map((one) => send("a", one)) };
}

const QUIET_MS = 25;
const DEADLINE_MS = 4_000;

class Wire {
  private chunks: Buffer[] = [];
  private lines = 0;
  private lastAt = 0;
  closed = false;

  private constructor(private readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.chunks.push(chunk);
      for (const byte of chunk) if (byte === 0x0a) this.lines += 1;
      this.lastAt = performance.now();
    });
    socket.on("error", () => {});
    socket.on("close", () => this.end());
    socket.on("end", () => this.end());
  }

  static open(port: number): Promise<Wire> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Wire(socket));
      });
    });
  }

  private end(): void {
    if (!this.closed) this.lastAt = performance.now();
    this.closed = true;
  }

  async write(bytes: Buffer, pieces: number, half: boolean): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieces) {
      this.socket.write(bytes.subarray(at, at + pieces));
      if (at + pieces < bytes.length) await new Promise((resolve) => setImmediate(resolve));
    }
    if (half) this.socket.end();
  }

  /** Lines seen since the last `take`. */
  get heard(): number {
    return this.lines + (this.closed ? 1 : 0);
  }

  get quietFor(): number {
    return performance.now() - this.lastAt;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.chunks);
    this.chunks = [];
    this.lines = 0;
    return bytes;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** What one connection has said in one step. */
interface Said {
  bytes: Buffer;
  closed: boolean;
}

type Wires = Map<string, Wire>;

async function until(check: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (!check() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function quiet(wires: Wires): Promise<void> {
  const began = performance.now();
  await until(
    () => performance.now() - began >= QUIET_MS && [...wires.values()].every((wire) => wire.quietFor >= QUIET_MS),
  );
}

function collect(wires: Wires): Map<string, Said> {
  return new Map([...wires].map(([name, wire]) => [name, { bytes: wire.take(), closed: wire.closed }]));
}

/**
 * Plays a case both ways.
 *
 * @param pieces how many bytes go in one write
 * @returns undefined when both ways said the same, else a description of the first step that differs
 */
export async function play(
  one: Case,
  directPort: number,
  sidecarPort: number,
  pieces: number,
): Promise<string | undefined> {
  const direct: Wires = new Map();
  const through: Wires = new Map();
  const report: string[] = [];
  const looksOf = (name: string): ReadonlySet<Look> => {
    const look = one.look ?? [];
    return new Set([typeof look === "string" || Array.isArray(look) ? look : (look[name] ?? [])].flat());
  };
  try {
    for (const [index, step] of one.steps.entries()) {
      for (const [wires, port] of [
        [direct, directPort],
        [through, sidecarPort],
      ] as const) {
        if (!wires.has(step.on)) wires.set(step.on, await Wire.open(port));
      }
      const half = step.end ?? false;
      await Promise.all([direct, through].map((wires) => wires.get(step.on)?.write(step.send, pieces, half)));
      const due = [...(step.silent ? [] : [step.on]), ...(step.hears ?? [])];
      await until(() => due.every((name) => (direct.get(name)?.heard ?? 0) > 0));
      await quiet(direct);
      await until(() => [...direct].every(([name, wire]) => (through.get(name)?.heard ?? 0) >= wire.heard));
      // What a sidecar says too much is seen in the step that follows, so that only the last one has to wait for it.
      if (index === one.steps.length - 1) await quiet(through);
      const said = collect(direct);
      const saidThrough = collect(through);
      for (const [name, expected] of said) {
        const got = saidThrough.get(name) as Said;
        const looks = looksOf(name);
        const a = view(expected, looks);
        const b = view(got, looks);
        if (a !== b) report.push(describe(index, step, name, a, b));
      }
      const mute = due.filter((name) => said.get(name)?.bytes.length === 0 && !said.get(name)?.closed);
      if (mute.length > 0) report.push(`step ${index + 1}: the server itself said nothing on ${mute.join(", ")}`);
      // The two are in different states now; what follows would only differ again, each time after the deadline.
      if (report.length > 0) break;
    }
  } finally {
    for (const wire of [...direct.values(), ...through.values()]) wire.destroy();
  }
  return report.length === 0 ? undefined : report.join("\n");
}

/** The text that is compared: one character a byte, and whether the connection was closed. */
function view(said: Said, looks: ReadonlySet<Look>): string {
  let text = said.bytes.toString("latin1");
  if (looks.has("anyOrder")) text = topLevel(said.bytes).sort().join("");
  if (looks.has("names")) text = unsubscribed(said.bytes);
  // The number of the connection is the one thing in HELLO's answer that must differ.
  text = text.replace(/(\$2\r\nid\r\n):\d+/g, "$1:#").replace(/("id",)\d+/g, "$1#");
  if (looks.has("integers")) text = text.replace(/^:-?\d+/gm, ":#");
  if (looks.has("digits")) text = text.replace(/\d+/g, "#");
  return text + (said.closed ? "<closed>" : "");
}

/** The bytes of each top-level value; what follows the last whole one comes as it is. */
function topLevel(bytes: Buffer): string[] {
  const values: string[] = [];
  let decoder = new NaiveDecoder();
  let start = 0;
  for (let at = 0; at < bytes.length; at++) {
    if (decoder.write(bytes.subarray(at, at + 1)).length === 0) continue;
    values.push(bytes.toString("latin1", start, at + 1));
    start = at + 1;
    decoder = new NaiveDecoder();
  }
  if (start < bytes.length) values.push(bytes.toString("latin1", start));
  return values;
}

/** Kinds, names in sorted order, and counts in the order of arrival; other values as text between them. */
function unsubscribed(bytes: Buffer): string {
  const names: string[] = [];
  const rest = new NaiveDecoder().write(bytes).map((value) => {
    const items: RespValue | undefined = value instanceof RespPush ? value.items : value;
    if (!Array.isArray(items) || !/^p?s?unsubscribe$/.test(String(plain(items[0] ?? null)))) return plain(value);
    names.push(`${String(plain(items[0] ?? null))} ${String(plain(items[1] ?? null))}`);
    return [value instanceof RespPush ? "push" : "array", plain(items[0] ?? null), plain(items[2] ?? null)];
  });
  return `${names.sort().join("\r\n")}\r\n${rest.map((one) => JSON.stringify(one)).join("\r\n")}`;
}

function describe(index: number, step: Step, name: string, direct: string, through: string): string {
  const show = (text: string) => JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}… (${text.length})` : text);
  const lines = (text: string) => text.split(/(?<=\r\n)/);
  const a = lines(direct);
  const b = lines(through);
  const first = a.findIndex((line, i) => line !== b[i]);
  const from = first === -1 ? a.length : first;
  const rows: string[] = [`step ${index + 1}: ${step.on} sent ${show(step.send.toString("latin1"))}`];
  if (from > 0) rows.push(`  ${name} heard the same ${from} lines, up to ${show(a[from - 1] ?? "")}, then`);
  for (const [who, of] of [
    ["server ", a],
    ["sidecar", b],
  ] as const) {
    const shown = of.slice(from, from + 8).map(show);
    rows.push(`  ${name} ${who}: ${shown.length === 0 ? "nothing more" : shown.join(" ")}`);
  }
  return rows.join("\n");
}
