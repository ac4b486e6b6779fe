/**
 * Where the fuzzer begins: for each target inputs made of recorded frames, of real managers' samples and of the examples in
 * the specification. `node build/test/fuzz/seeds.js DIR` writes them into a directory for each target.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync, gunzipSync } from "node:zlib";
import { makeAnswer } from "../../bench/generate.js";
import { ChunkForm, encodeChunk } from "../../src/frame/chunk.js";
import { ControlKind, encodeControl } from "../../src/frame/control.js";
import { encodeMessage } from "../../src/frame/record.js";
import { packWhole } from "../../src/frame/whole.js";
import { Encoder } from "../../src/plane/encode.js";
import { factsOf } from "../../src/plane/sender.js";
import { nameFrame, newFrameName } from "../../src/socketio/dialect.js";
import { captureFiles, readCapture } from "../support/captures.js";
import { encodeRequest } from "../support/resp-client.js";
import { inRoot } from "../support/root.js";
import { replyCases } from "../unit/resp/reply-cases.js";
import type { targets } from "./targets.js";

type Seeds = Record<keyof typeof targets, Buffer[]>;

/** A longer input mutates too slowly to be worth its place. */
const MAX_BYTES = 3_000;

const latin = (text: string): Buffer => Buffer.from(text, "latin1");
const u16 = (value: number): Buffer => Buffer.from([value & 0xff, value >> 8]);

/** A few frames of every recording: the first, one of the middle, the last that is small. */
function recorded(): { channel: Buffer; payload: Buffer }[] {
  return captureFiles().flatMap(({ path }) => {
    const small = [...readCapture(path)].filter(({ payload }) => payload.length < MAX_BYTES);
    return [0, 1, small.length >> 1, small.length - 1].flatMap((at) => small[at] ?? []);
  });
}

/** One sample of each kind that the fixtures of the dialects hold. */
function samples(file: string): Buffer[] {
  const lines = gunzipSync(readFileSync(inRoot("test", "unit", "socketio", "fixtures", file)))
    .toString()
    .split("\n")
    .filter((line) => line !== "");
  const byName = new Map<string, Buffer>();
  for (const line of lines) {
    const { name, payload } = JSON.parse(line) as { name: string; payload: string };
    if (!byName.has(name)) byName.set(name, Buffer.from(payload, "base64"));
  }
  return [...byName.values()].filter((payload) => payload.length < MAX_BYTES);
}

/** The values called `key` of the example blocks of one kind: bytes in hexadecimal, or quoted text. */
function examples(kind: string, key: string): Buffer[] {
  const spec = readFileSync(inRoot("src", "frame", "spec.md"), "utf8");
  const blocks = [...spec.matchAll(new RegExp(`^\`\`\`example ${kind}\n([^\`]*)\`\`\`$`, "gm"))];
  return blocks.map(([, block]) => {
    const value = new RegExp(`^${key}: ?(.*)$`, "m").exec(block!)?.[1] ?? "";
    return value.startsWith('"')
      ? Buffer.from(JSON.parse(value) as string)
      : Buffer.from(value.replaceAll(" ", ""), "hex");
  });
}

/** Side messages as a sender makes them of answers in the shapes of several releases: wholes, chained and pinned deltas. */
function messages(): Buffer[] {
  const name = newFrameName();
  const all: Buffer[] = [];
  for (const shape of ["0.6.34", "0.9.5", "0.11.4", "0.12.4"] as const) {
    const encoder = new Encoder({ count: 100, bytes: 1 << 24, idleMs: 1e9 }, () => {});
    const channel = { generation: 0 };
    const records = makeAnswer({ shape, tokens: 6, seed: 3 }).flatMap(({ channel: on, payload }) => {
      const facts = nameFrame(on, payload, name) ? factsOf(name) : undefined;
      return facts === undefined || facts.stream === 0 ? [] : [encoder.encode(channel, payload, facts, 0).record];
    });
    for (const record of records.slice(0, 4)) all.push(encodeMessage(1, 1, [record]));
    all.push(encodeMessage(1, 200, records.slice(4, 8)));
    const repair = encoder.repair(1, 1, 1e6);
    if (repair !== undefined) all.push(encodeMessage(1, 1, [repair.record]));
  }
  return [...all, ...examples("message", "message"), ...examples("control", "message")];
}

/** A frame that blocks a domain; small deltas of a stream in it that wait for a base; and then that base. */
function heldAndRebuilt(): Buffer {
  const large = Buffer.from(Array.from({ length: 255 }, (_, i) => i));
  const lie = (shape: number, instance: number, seq: number, payload: Buffer) =>
    Buffer.concat([Buffer.from([5, shape, instance - 1, seq - 1, 0, 0x11, payload.length]), payload]);
  // The sender's other incarnation says it first, so that this one's deltas have something to be coded against.
  const parts = [lie(64, 2, 1, large), lie(1, 1, 5, latin("zz"))];
  for (let seq = 2; seq < 13; seq++) parts.push(lie(1 | 4 | 32, 2, seq, latin("a")));
  return Buffer.concat([...parts, lie(0, 2, 1, large)]);
}

/** The chunks of the specification, and those of a recorded kind of text. */
function chunks(): Buffer[] {
  const spec = readFileSync(inRoot("src", "frame", "spec.md"), "utf8");
  const [block = ""] = /^```example chunks\n[^`]*/m.exec(spec) ?? [];
  const shown = [...block.matchAll(/^(?:opening|plain \d+|deflated \d+): (.*)$/gm)];
  const part = Buffer.alloc(400, "the answer grows by a word at a time ");
  const deflated = { form: ChunkForm.Deflated, length: part.length, rest: deflateRawSync(part) };
  return [
    ...shown.map(([, hex]) => Buffer.from(hex!.replaceAll(" ", ""), "hex")),
    encodeChunk(0xfedcba98, 70_000, 300, 2 ** 33, deflated),
    encodeChunk(1, 62, 1, 1, { ...deflated, length: 399 }),
  ];
}

/** Transfers of one sender and of two, whole and with a chunk lost, doubled or damaged, as side-chunks reads them. */
function transfers(): Buffer[] {
  const open = (who: number, shape: number) =>
    Buffer.concat([Buffer.from([5 | (who << 5), shape, 90]), Buffer.alloc(90, "large "), Buffer.from([0, 0x11])]);
  const chunk = (who: number, shape: number) => Buffer.from([6 | (who << 5), shape]);
  const all = (who: number) => [open(who, 32), chunk(who, 40), chunk(who, 0x80 | 40), chunk(who, 63)];
  const [one, two] = [all(0), all(1)];
  const mixed = one.flatMap((message, i) => [message, two[i]!]);
  const clock = Buffer.from([1, 60]);
  return [
    Buffer.concat(one),
    Buffer.concat(mixed),
    Buffer.concat([one[0]!, one[1]!, Buffer.from([2, 40]), one[3]!]),
    Buffer.concat([one[0]!, one[1]!, Buffer.from([4]), one[2]!, one[3]!]),
    Buffer.concat([one[0]!, Buffer.from([3, 40, 30, 1]), one[2]!, one[3]!]),
    Buffer.concat([one[0]!, one[1]!, clock, ...one]),
    Buffer.concat([open(0, 96), ...Array.from({ length: 13 }, () => chunk(0, 63))]),
    Buffer.concat([open(0, 2), ...all(2)]),
    ...chunks().map((bytes) => Buffer.concat([Buffer.from([0, bytes.length]), bytes])),
  ];
}

const requests: (string | Buffer)[][] = [
  ["SUBSCRIBE", "socketio", "socketio#/#user:1"],
  ["HELLO", "3", "AUTH", "default", "secret", "SETNAME", "app"],
  ["EVAL", "return 1", "0"],
  ["CLIENT", "SETINFO", "LIB-NAME", "redis-py"],
];

export function seeds(): Seeds {
  const frames = recorded();
  const plain = [0, 1].map((which) => Buffer.from([which, 3, 0, 9, 0, 20]));
  const published = frames.slice(0, 8).map(({ channel, payload }) => encodeRequest(["PUBLISH", channel, payload]));
  const inline = ['PING "a b"\r\n', "SET k 'it\\'s'\n", 'ECHO "\\x41\\n"\r\n', "*0\r\n*1\r\n$4\r\nQUIT\r\n"].map(latin);
  // On the limits of the second, tight set, and one beyond.
  const edges = [
    ...[64, 65].map((length) => `*1\r\n$${length}\r\n${"x".repeat(length)}\r\n`),
    ...[8, 9].map((count) => `*${count}\r\n${"$1\r\na\r\n".repeat(count)}`),
    ...[47, 48, 49].map((length) => `${"y".repeat(length)}\r\nPING\r\n`),
    ...["$-1", "$01", "$+1", "*-1", "*1\r\n$-1", "*1\r\n:1", "*9007199254740992"].map((line) => `${line}\r\n`),
  ].map(latin);
  const asked = [...edges, ...published, ...requests.map(encodeRequest), ...inline];
  // Counts and lines that some type may have and another may not.
  const heads = ["+", "-", ":", "_", "#", ",", "(", "$", "!", "=", "*", "%", "~", ">", "|"];
  const odd = heads.flatMap((type) =>
    ["-1", "-2", "01", "", "?", "0", "t"].map((text) => latin(`${type}${text}\r\n:1\r\n`)),
  );
  const replies = [
    ...odd,
    ...replyCases.map(({ input }) => latin(input)),
    latin("*3\r\n$7\r\nmessage\r\n$8\r\nsocketio\r\n$2\r\nhi\r\n"),
    latin(">4\r\n$8\r\npmessage\r\n$2\r\ns*\r\n$8\r\nsocketio\r\n$2\r\nhi\r\n"),
    latin("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n+PONG\r\n-NOSCRIPT No\r\n"),
  ].filter((input) => input.length < MAX_BYTES);
  const withHead = (all: Buffer[]) => all.flatMap((one) => plain.map((head) => Buffer.concat([head, one])));
  const bases = examples("hunks", "base");
  const hunks = examples("hunks", "hunks");
  const nexts = examples("hunks", "next");
  const hunkSeed = (base: Buffer, other: Buffer) => Buffer.concat([Buffer.from([0]), u16(base.length), base, other]);
  const sides = messages().filter((message) => message.length < MAX_BYTES);
  const short = sides.filter((message) => message.length < 256);
  const sideOps = (list: Buffer[]) => list.map((one) => Buffer.concat([Buffer.from([0, one.length]), one]));
  const ofDialect = (first: number, extra: Buffer[]) =>
    [...frames.map(({ payload }) => payload), ...extra]
      .filter((payload) => payload[0] === first)
      .map((payload) => payload.subarray(1));
  const node = makeAnswer({ shape: "node", tokens: 12, seed: 9 }).map(({ payload }) => payload);
  return {
    "resp-request": withHead(asked),
    "reply-scanner": withHead(replies),
    "reply-decoder": withHead(replies),
    "frame-message": sides,
    "frame-control": [
      ...examples("control", "message"),
      ...[40, 62, 63, 70_000].map((connection) =>
        encodeControl(ControlKind.Nack, 0xfedcba98, connection, [
          { instance: 1, seq: 2 ** 40 },
          { instance: 300, seq: 70_000 },
        ]),
      ),
    ],
    "frame-chunk": chunks(),
    "frame-hunks": bases.flatMap((base, i) => [hunkSeed(base, hunks[i]!), hunkSeed(base, nexts[i]!)]),
    "frame-whole": frames.slice(0, 12).flatMap(({ payload }) => {
      const { body, deflated } = packWhole(payload);
      const unpack = Buffer.concat([Buffer.from([deflated ? 0 : 2]), u16(payload.length), body]);
      return [unpack, Buffer.concat([Buffer.from([1, 0, 0, 64]), payload])];
    }),
    "python-json": ofDialect(0x7b, [...samples("json.jsonl.gz"), ...samples("json-5.14.jsonl.gz")]),
    "python-pickle": ofDialect(0x80, samples("pickle.jsonl.gz")),
    "node-msgpack": ofDialect(0x93, node),
    "side-bytes": [heldAndRebuilt(), Buffer.concat(sideOps(short)), ...sideOps(short)],
    "side-chunks": transfers(),
    "side-program": [
      Buffer.alloc(60, 10),
      Buffer.from([10, 10, 0, 10, 10, 9, 10, 10, 1, 40, 4, 10, 9, 6, 10, 10]),
      Buffer.from([0x38, 0x38, 0, 0x38, 2, 3, 4, 6, 5, 3, 10, 9, 7, 10, 10, 9, 10]),
    ],
  };
}

const to = process.argv[2];
if (process.argv[1]?.endsWith("seeds.js") && to !== undefined) {
  for (const [target, inputs] of Object.entries(seeds())) {
    const dir = join(to, target);
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    for (const [i, input] of inputs.entries()) writeFileSync(join(dir, `seed-${i}`), input);
  }
}
