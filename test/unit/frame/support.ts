/**
 * What the tests and the bench of the codec share: captured frames, made frames, and a plain model of a sender.
 *
 * The model codes a sequence of frames as a sidecar would, in the simplest way that is still true to the protocol:
 * one record a message, each frame against the previous one of its stream, `response:completion` against a pinned
 * base. It counts bytes and checks that every record rebuilds its frame from the wire form alone.
 */
import assert from "node:assert/strict";
import { crc32 } from "../../../src/frame/checksum.js";
import {
  encodeMessage,
  encodeRecord,
  MessageReader,
  type RecordFields,
  RecordKind,
  type WireRecord,
} from "../../../src/frame/record.js";
import { apply, diff } from "../../../src/frame/splice.js";
import { packHunks, packWhole, unpackHunks, unpackWhole } from "../../../src/frame/whole.js";

export interface Published {
  channel: Buffer;
  payload: Buffer;
}

/** A frame's stream and whether it holds the whole message so far, read in the slow and obvious way. */
export function nameOf(frame: Published): { stream: string; cumulative: boolean } {
  const text = frame.payload.toString("latin1");
  const json = text.startsWith("{");
  // Pickle: a short string is its length in one byte, the string, and the code that stores it in the memo.
  const room = json ? find(text, /"room": ?"([^"]+)"/) : pickled(text, "room");
  const message = json ? find(text, /"message_id": ?"([^"]+)"/) : pickled(text, "message_id");
  const type = json ? find(text, /"data": ?\{"type": ?"([^"]+)"/) : pickled(text, "type");
  return { stream: [frame.channel, room, message, type].join("\n"), cumulative: type !== "response:completion" };
}

function find(text: string, pattern: RegExp): string {
  return pattern.exec(text)?.[1] ?? "";
}

/** The value of a key in a pickled dictionary, where both are short strings. */
function pickled(text: string, key: string): string {
  const at = text.indexOf(`${key}\x94\x8c`);
  if (at < 0) return "";
  const from = at + key.length + 3;
  return text.slice(from, from + text.charCodeAt(from - 1));
}

/** Above this a frame of a pinned stream becomes the new base: the shape has changed. */
const REPIN_BYTES = 48;

export interface Totals {
  frames: number;
  frameBytes: number;
  deltas: number;
  /** Bodies of all records: hunks, deflated where that is smaller, and whole frames. */
  bodyBytes: number;
  wholes: number;
  /** Messages on the wire: header, record and body of every frame. */
  wireBytes: number;
}

interface Stream {
  instance: number;
  seq: number;
  base: Buffer | undefined;
  baseSeq: number;
}

/** Codes `frames` in order, rebuilds each from its message, and answers what it took. `onMessage` sees the wire. */
export function codeAll(frames: Iterable<Published>, onMessage?: (message: Buffer) => void): Totals {
  const totals: Totals = { frames: 0, frameBytes: 0, deltas: 0, bodyBytes: 0, wholes: 0, wireBytes: 0 };
  const streams = new Map<string, Stream>();
  const bases = new Map<string, Buffer>();
  const reader = new MessageReader();
  for (const frame of frames) {
    const { payload } = frame;
    const { stream: key, cumulative } = nameOf(frame);
    let stream = streams.get(key);
    if (stream === undefined) {
      stream = { instance: streams.size + 1, seq: 0, base: undefined, baseSeq: 0 };
      streams.set(key, stream);
    }
    stream.seq++;
    const message = encodeMessage(0x0102_0304, 1, [code(stream, payload, cumulative, totals)]);
    onMessage?.(message);
    totals.frames++;
    totals.frameBytes += payload.length;
    totals.wireBytes += message.length;
    assert.deepEqual(rebuild(reader, message, bases), payload);
  }
  return totals;
}

function code(stream: Stream, payload: Buffer, cumulative: boolean, totals: Totals): WireRecord {
  const fields: RecordFields = {
    kind: RecordKind.Whole,
    keep: true,
    cumulative,
    deflated: false,
    domain: 0xab,
    instance: stream.instance,
    seq: stream.seq,
    back: stream.seq - stream.baseSeq,
    streamKey: -1,
    primerInstance: 0,
    primerSeq: 0,
    newest: false,
    length: payload.length,
    crc: crc32(payload),
    mark: 0,
  };
  const hunks = stream.base === undefined ? null : diff(stream.base, payload, payload.length);
  const delta = hunks === null ? undefined : packHunks(hunks);
  const whole = delta === undefined || delta.body.length > 128 ? packWhole(payload) : undefined;
  if (
    stream.base !== undefined &&
    hunks !== null &&
    delta !== undefined &&
    !(whole && whole.body.length < delta.body.length)
  ) {
    totals.bodyBytes += delta.body.length;
    totals.deltas++;
    fields.kind = RecordKind.Delta;
    fields.keep = cumulative || hunks.length > REPIN_BYTES;
    fields.deflated = delta.deflated;
    if (fields.keep) pin(stream, payload);
    return encodeRecord(fields, delta.body);
  }
  if (whole === undefined) throw new Error("neither a delta nor whole");
  totals.bodyBytes += whole.body.length;
  totals.wholes++;
  fields.deflated = whole.deflated;
  pin(stream, payload);
  return encodeRecord(fields, whole.body);
}

function pin(stream: Stream, payload: Buffer): void {
  stream.base = payload;
  stream.baseSeq = stream.seq;
}

/** A receiver: rebuilds the one frame of `message` against the bases seen so far, by (instance, sequence). */
export function rebuild(reader: MessageReader, message: Buffer, bases: Map<string, Buffer>): Buffer {
  reader.open(message);
  assert.equal(reader.count, 1);
  assert.equal(reader.next(), true);
  let result: Buffer;
  if (reader.kind === RecordKind.Delta) {
    const base = bases.get(`${reader.instance}.${reader.seq - reader.back}`);
    assert.ok(base, "the sender has named a base that was not kept");
    result = apply(base, unpackHunks(reader.body(), reader.deflated, 1 << 26), 1 << 26);
  } else {
    result = unpackWhole(reader.body(), reader.deflated, reader.length, 1 << 26);
  }
  assert.equal(crc32(result), reader.crc);
  if (reader.keep) bases.set(`${reader.instance}.${reader.seq}`, result);
  assert.equal(reader.next(), false);
  return result;
}

const WORDS = (
  "the a of latency queue percentile cache pod worker frame delta because which measure before teams pick second list " +
  'return value const await json naïve façade über größe это проверка мир 🚀 👍🏽 — … « » ≤ ∑ <b>html</b> & "quoted" ' +
  "C:\\temp ```python\n def merge(a, b): | step | cost | 'single' # heading\n - item\n 1. first\n x² {\"key\": 1}"
).split(" ");

/** A small generator of repeatable numbers: xorshift32. */
export function numbers(seed: number): (below: number) => number {
  let x = seed | 1;
  return (below) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
}

/** Made tokens: words of several scripts, code, quotes and HTML, as a model might send them. */
export function tokens(count: number, seed = 7): string[] {
  const next = numbers(seed);
  return Array.from({ length: count }, () => `${WORDS[next(WORDS.length)]!}${next(4) === 0 ? "\n" : " "}`);
}

/** As Python's json.dumps writes it: a space after colon and comma, everything outside ASCII escaped. */
export function pythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value)
      .map(([key, inner]) => `${pythonJson(key)}: ${pythonJson(inner)}`)
      .join(", ")}}`;
  }
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A frame as python-socketio publishes it around Open WebUI's event body. */
export function envelope(type: string, data: unknown): Buffer {
  return Buffer.from(
    pythonJson({
      method: "emit",
      event: "events",
      data: [
        {
          chat_id: "97a34104-f2af-4e3a-92d2-734994f18501",
          message_id: "1e20cf40-453d-4f6b-b71e-8dc38525bc46",
          data: { type, data },
        },
      ],
      binary: false,
      namespace: "/",
      room: "user:b6b27fd9-ac68-4383-9d60-6e75345e6b4a",
      skip_sid: null,
      callback: null,
      host_id: "51b1a6f935d34cca8b6ab0cf8707eda4",
    }),
  );
}

/** The shape of 0.10.2 and 0.11.0: the text grows in output[0].content[0].text. */
export function outputFrame(text: string, status = "in_progress"): Buffer {
  return envelope("chat:completion", {
    output: [
      {
        type: "message",
        id: "msg_f5bb513cd4ad4990b1834eb7",
        status,
        role: "assistant",
        content: [{ type: "output_text", text }],
      },
    ],
  });
}
