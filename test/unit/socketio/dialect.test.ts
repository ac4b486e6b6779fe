/** The dialects against samples that real managers published: what a name says, and which frames share a stream. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type FrameName, nameFrame, newFrameName } from "../../../src/socketio/dialect.js";

interface Sample {
  source: string;
  name: string;
  payload: string;
  want: {
    host: string | null;
    chat?: string;
    cumulative?: boolean;
    barrier?: boolean;
    done?: boolean;
    group: string;
  };
}

const fixtures = fileURLToPath(new URL("../../../../test/unit/socketio/fixtures/", import.meta.url));

function samples(file: string): Sample[] {
  const lines = gunzipSync(readFileSync(`${fixtures}${file}`))
    .toString()
    .split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Sample);
}

const channel = Buffer.from("socketio");

function named(payload: Buffer, on = channel): FrameName {
  const name = newFrameName();
  assert.equal(nameFrame(on, payload, name), true, payload.subarray(0, 300).toString("latin1"));
  return name;
}

/** Checks that `key` is a function of `value` and the other way round. */
class Pairing<V> {
  readonly #byKey = new Map<string, V>();
  readonly #byValue = new Map<V, string>();
  check(key: string, value: V, what: string): void {
    assert.equal(this.#byKey.get(key) ?? value, value, `${what}: ${key} has two values`);
    assert.equal(this.#byValue.get(value) ?? key, key, `${what}: two keys share a value`);
    this.#byKey.set(key, value);
    this.#byValue.set(value, key);
  }
}

for (const file of ["json.jsonl.gz", "json-5.14.jsonl.gz", "pickle.jsonl.gz"]) {
  const all = samples(file);
  for (const source of new Set(all.map((s) => s.source))) {
    test(`${source}: every sample is named for what it is`, () => {
      const streams = new Pairing<number>();
      const chats = new Pairing<number>();
      const wrong: string[] = [];
      for (const s of all.filter((x) => x.source === source)) {
        const name = named(Buffer.from(s.payload, "base64"));
        const got = {
          dialect: name.dialect,
          host: name.emitter !== 0,
          chat: name.chat !== 0,
          cumulative: name.cumulative,
          barrier: name.barrier,
          done: name.done,
        };
        const want = {
          dialect: source.startsWith("json") ? "python-json" : "python-pickle",
          host: s.want.host !== null,
          chat: s.want.chat !== undefined,
          cumulative: s.want.cumulative ?? false,
          barrier: s.want.barrier ?? false,
          done: s.want.done ?? false,
        };
        try {
          assert.deepEqual(got, want);
          assert.ok(Number.isSafeInteger(name.stream) && name.stream > 0);
          streams.check(s.want.group, name.stream, "stream");
          if (s.want.chat !== undefined) chats.check(s.want.chat, name.chat, "chat");
        } catch (error) {
          wrong.push(`${s.name}: ${String(error).replaceAll("\n", " ")}`);
        }
      }
      assert.deepEqual(wrong, []);
    });

    test(`${source}: cut off anywhere, no sample is named as if it were whole, and nothing throws`, () => {
      const cut = newFrameName();
      for (const s of all.filter((x) => x.source === source && x.payload.length < 3000)) {
        const payload = Buffer.from(s.payload, "base64");
        for (let end = 0; end < payload.length; end++) {
          const known = nameFrame(channel, payload.subarray(0, end), cut);
          if (known) {
            assert.ok(cut.barrier, `${s.name} cut at ${end}`);
          } else {
            assert.deepEqual({ ...cut, dialect: "" }, { ...newFrameName(), dialect: "" });
          }
        }
      }
    });
  }
}

describe("what goes into a stream's identity", () => {
  const frame = (over: Record<string, unknown> = {}): Buffer =>
    Buffer.from(
      JSON.stringify({
        method: "emit",
        event: "events",
        data: [{ chat_id: "c", message_id: "m", data: { type: "status", data: {} } }],
        binary: false,
        namespace: "/",
        room: "r",
        skip_sid: null,
        callback: null,
        host_id: "h",
        ...over,
      }),
    );
  const base = named(frame()).stream;
  const others: Record<string, Buffer> = {
    event: frame({ event: "event" }),
    namespace: frame({ namespace: "/a" }),
    room: frame({ room: "s" }),
    "room null": frame({ room: null }),
    "room list": frame({ room: ["r"] }),
    skip_sid: frame({ skip_sid: "r" }),
    host_id: frame({ host_id: "i" }),
    chat_id: frame({ data: [{ chat_id: "d", message_id: "m", data: { type: "status", data: {} } }] }),
    message_id: frame({ data: [{ chat_id: "c", message_id: "n", data: { type: "status", data: {} } }] }),
    type: frame({ data: [{ chat_id: "c", message_id: "m", data: { type: "statu", data: {} } }] }),
    "kind of its data": frame({
      data: [{ chat_id: "c", message_id: "m", data: { type: "status", data: { type: "t" } } }],
    }),
    "no chat": frame({ data: [{ message_id: "m", data: { type: "status", data: {} } }] }),
  };
  for (const [part, payload] of Object.entries(others)) {
    test(part, () => assert.notEqual(named(payload).stream, base));
  }
  test("channel", () => assert.notEqual(named(frame(), Buffer.from("socketio#/#r")).stream, base));
  test("nothing else of the data", () => {
    const data = [
      { chat_id: "c", message_id: "m", user_id: "u", data: { type: "status", data: { description: "x" } } },
    ];
    assert.equal(named(frame({ data })).stream, base);
  });
});

describe("what cannot be read with certainty", () => {
  const start = '{"method": "emit", "event": "e", "data": [1], "binary": false, "namespace": "/", ';
  const end = '"skip_sid": null, "callback": null, "host_id": "h"}';
  test("a key more in the tail: the emitter is kept, the frame is a barrier", () => {
    const name = named(Buffer.from(`${start}"room": null, "x": 1, ${end}`));
    assert.ok(name.barrier && name.emitter !== 0 && name.chat === 0);
  });
  test("a list of rooms longer than the tail that is searched", () => {
    const rooms = JSON.stringify(Array.from({ length: 900 }, (_, i) => `room ${i}`));
    const name = named(Buffer.from(`${start}"room": ${rooms}, ${end}`));
    assert.ok(name.barrier && name.emitter !== 0);
  });
  test("an event's name longer than the head that is read", () => {
    const name = named(Buffer.from(`${start.replace('"e"', `"${"e".repeat(2000)}"`)}"room": null, ${end}`));
    assert.ok(name.barrier && name.emitter !== 0 && name.chat === 0);
  });
  test("a chat's id behind the bytes that are read: named without the chat", () => {
    const data = JSON.stringify({ note: "x".repeat(2000), chat_id: "c" });
    const name = named(Buffer.from(`${start.replace("[1]", `[${data}]`)}"room": null, ${end}`));
    assert.ok(!name.barrier && name.emitter !== 0 && name.chat === 0);
  });
  const refused: Record<string, string> = {
    empty: "",
    "an object of another kind": '{"a": 1}',
    "another first key": `{"event": "e", "method": "emit", ${end}`,
    "an unknown method": '{"method": "explode", "host_id": "h"}',
    "text without structure": "hello",
    "a list": "[1]",
    "an emit without host_id": '{"method": "emit", "event": "e", "data": [1]}',
    "an emit without data": `{"method": "emit", "event": "e", ${end}`,
  };
  for (const [what, text] of Object.entries(refused)) {
    test(`refused: ${what}`, () => assert.equal(nameFrame(channel, Buffer.from(text), newFrameName()), false));
  }
});

test("megabytes made to be read are not read", () => {
  const size = 8 * 1024 * 1024;
  const emit = '{"method": "emit", "event": "events", "data": ';
  const open = `${emit}[{"chat_id": "c", "message_id": "m", "data": {"type": "chat:completion", "data": {"content": "`;
  const tail =
    '"}}}], "binary": false, "namespace": "/", "room": "r", "skip_sid": null, "callback": null, "host_id": "h"}';
  const payloads = ["\\", '\\"', '\\"binary\\":', "[", '"', "b", "}"].map((text) =>
    Buffer.concat([Buffer.from(open), Buffer.alloc(size, text), Buffer.from(tail)]),
  );
  payloads.push(Buffer.concat([Buffer.from(`${emit}[`), Buffer.alloc(size, "["), Buffer.from(tail)]));
  const pickle = samples("pickle.jsonl.gz").find((s) => s.source === "pickle 4" && s.name === "usage")!;
  const start = Buffer.from(pickle.payload, "base64").subarray(0, 60);
  for (const op of ["\x95", "}", "(", "h\x01", "N", "\x94", "\x8c\x00", "q\x00"]) {
    payloads.push(Buffer.concat([start, Buffer.alloc(size, op, "latin1"), Buffer.from(tail)]));
  }
  for (const op of ["93", "90", "80", "a0", "c0", "dd", "8191"]) {
    payloads.push(Buffer.concat([Buffer.from("93a16182a474797065", "hex"), Buffer.alloc(size, op, "hex")]));
  }
  const name = newFrameName();
  const begin = process.cpuUsage();
  for (let round = 0; round < 20; round++) for (const payload of payloads) nameFrame(channel, payload, name);
  const each = process.cpuUsage(begin).user / (20 * payloads.length);
  assert.ok(each < 500, `${each} µs a frame`);
});

test("random and damaged bytes never throw and never take long", () => {
  let seed = 20240607;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const whole = [...samples("json.jsonl.gz"), ...samples("pickle.jsonl.gz")]
    .filter((s) => s.payload.length < 4000)
    .map((s) => Buffer.from(s.payload, "base64"));
  const name = newFrameName();
  const first = [0x7b, 0x80, 0x93];
  for (let round = 0; round < 60_000; round++) {
    let bytes: Buffer;
    if (round % 2 === 0) {
      bytes = Buffer.from(whole[random(whole.length)]!);
      for (let n = random(6) + 1; n > 0; n--) bytes[random(bytes.length)] = random(256);
    } else {
      bytes = Buffer.from(Array.from({ length: random(300) }, () => random(256)));
      if (bytes.length > 0) bytes[0] = first[random(3)]!;
    }
    const known = nameFrame(channel, bytes, name);
    assert.equal(name.stream !== 0, known);
    assert.ok(Number.isSafeInteger(name.stream) && name.stream <= Number.MAX_SAFE_INTEGER);
    assert.ok(Number.isInteger(name.chat) && name.chat >= 0 && name.chat <= 0xffffffff);
    assert.ok(Number.isInteger(name.emitter) && name.emitter >= 0 && name.emitter <= 0xffffffff);
  }
});
