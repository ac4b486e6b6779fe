/** Made traffic looks like the real thing: same bytes for the same content, same bytes for the same seed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toJson, toMsgpack, toPickle, type Value } from "../../../bench/generate/formats.js";
import { tokensOf } from "../../../bench/generate/text.js";
import { makeAnswer, shapes } from "../../../bench/generate.js";
import { capturePath, readCapture } from "../../support/captures.js";

test("JSON in both styles is what the real apps wrote", () => {
  for (const [name, style] of [
    ["0.9.5-a_plain", "spaced"],
    ["0.9.5-b_reason", "spaced"],
    ["0.11.4-a_plain", "spaced"],
    ["0.12.4-a_plain", "compact"],
  ] as const) {
    for (const { payload } of readCapture(capturePath(name))) {
      const text = payload.toString("utf8");
      assert.equal(toJson(JSON.parse(text) as Value, style), text, name);
    }
  }
});

test("pickle is what the real app wrote", () => {
  let compared = 0;
  for (const { payload } of readCapture(capturePath("0.6.34-a_plain"))) {
    const read = readGrowingPickle(payload);
    if (read === undefined) continue;
    assert.deepEqual(toPickle(read), payload);
    compared++;
  }
  assert.ok(compared > 1_700, `only ${compared} frames have the growing shape`);
});

/** Reads the one shape that this test needs: the strings of a `chat:completion` frame that holds only `content`. */
function readGrowingPickle(payload: Buffer): Value | undefined {
  const strings: string[] = [];
  for (let at = 11; at < payload.length - 1; ) {
    const op = payload[at];
    if (op === 0x8c || op === 0x58) {
      const head = op === 0x8c ? 2 : 5;
      const length = op === 0x8c ? payload.readUInt8(at + 1) : payload.readUInt32LE(at + 1);
      strings.push(payload.toString("utf8", at + head, at + head + length));
      at += head + length;
    } else at += op === 0x68 ? 2 : 1;
  }
  const after = (name: string) => strings[strings.indexOf(name) + 1] as string;
  if (strings.length !== 21 || strings[11] !== "content") return undefined;
  return {
    method: "emit",
    event: "events",
    data: {
      chat_id: after("chat_id"),
      message_id: after("message_id"),
      data: { type: "chat:completion", data: { content: strings[12] as string } },
    },
    namespace: "/",
    room: after("room"),
    skip_sid: null,
    callback: null,
    host_id: after("host_id"),
  };
}

test("MessagePack's smallest forms", () => {
  const hex = (value: Value) => toMsgpack(value).toString("hex");
  assert.equal(hex([1, 200, "a", null, true, { b: [] }]), "9601ccc8a161c0c381a16290");
  assert.equal(hex("x".repeat(40)).slice(0, 6), "d92878");
  assert.equal(hex("x".repeat(300)).slice(0, 8), "da012c78");
  assert.equal(hex("x".repeat(70_000)).slice(0, 12), "db0001117078");
});

test("a seed gives the same frames, another seed others", () => {
  for (const shape of shapes) {
    const make = (seed: number) => makeAnswer({ shape, tokens: 40, seed, reasoning: 10, toolRounds: 1 });
    assert.deepEqual(make(1), make(1), shape);
    assert.notDeepEqual(make(1), make(2), shape);
  }
});

test("whole-message shapes grow, delta shapes do not, and both end with the whole text", () => {
  for (const shape of shapes) {
    const frames = makeAnswer({ shape, tokens: 500, seed: 3 });
    const first = frames[5]?.payload.length ?? 0;
    const late = frames[frames.length - 30]?.payload.length ?? 0;
    const grows = shape === "0.6.34" || shape === "0.9.5" || shape === "0.11.0" || shape === "node";
    if (shape !== "0.12.4") assert.equal(late > first * 2, grows, `${shape}: ${first} then ${late}`);
    assert.ok(Math.max(...frames.map(({ payload }) => payload.length)) > 1_500, shape);
  }
});

test("tokens hold no half of a surrogate pair", () => {
  for (const token of tokensOf(9, 5_000)) assert.equal(Buffer.from(token).toString(), token);
});

test("a long answer is made in good time", () => {
  const began = performance.now();
  const frames = makeAnswer({ shape: "0.9.5", tokens: 4_000, seed: 1 });
  assert.equal(frames.length, 4_003);
  assert.ok(performance.now() - began < 5_000);
});
