/** What one-answer publishes: every way says the same text in the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { answerOf, answerShapes, chunked, deflated, messageBytes } from "../../../bench/suite/answer/frames.js";
import { expectation } from "../../../bench/suite/answer/line.js";

const deltas = (frames: readonly { payload: Buffer }[]) =>
  frames
    .map(({ payload }) => payload.toString())
    .filter((text) => text.includes('"response:completion"'))
    .map((text) => JSON.parse(text).data[0].data.data.delta as string);

test("chunks of whole frames: the opening, every n-th, the last and the end", () => {
  for (const shape of ["0.9.5", "0.11.0"] as const) {
    const answer = answerOf(shape, 103, 1);
    const left = chunked(answer, 10);
    assert.equal(left.length, 1 + 10 + 1 + 2, shape);
    assert.equal(left[0], answer.frames[0]);
    assert.equal(left[1], answer.frames[10]);
    assert.deepEqual(left.slice(-3), answer.frames.slice(-3), "the last token, the end, and no longer active");
    assert.equal(chunked(answer, 1), answer.frames);
  }
});

test("chunks of increments carry the text of all that they stand for", () => {
  const answer = answerOf("0.12.4", 103, 1);
  const left = chunked(answer, 10);
  assert.equal(deltas(answer.frames).length, 103);
  assert.equal(deltas(left).length, 11);
  assert.equal(deltas(left).join(""), deltas(answer.frames).join(""));
  assert.deepEqual(left.slice(-2), answer.frames.slice(-2));
  assert.equal(chunked({ ...answer, frames: [...answer.frames] }, 1).length, answer.frames.length);
});

test("another chat has the same text, the same sizes and other identifiers", () => {
  for (const shape of answerShapes) {
    const [a, b] = [answerOf(shape, 20, 1), answerOf(shape, 20, 2)];
    assert.deepEqual(
      a.frames.map(({ payload }) => payload.length),
      b.frames.map(({ payload }) => payload.length),
    );
    assert.ok(!a.frames[3]!.payload.equals(b.frames[3]!.payload));
  }
});

test("deflated frames come back", () => {
  const { frames } = answerOf("0.11.0", 20, 1);
  const back = deflated(frames, 6).map(({ payload }) => inflateRawSync(payload));
  assert.deepEqual(
    back,
    frames.map(({ payload }) => payload),
  );
});

test("a listener expects the messages of its channel only, however they are cut", () => {
  const { frames, channel } = answerOf("0.12.4", 31, 1);
  const heard = messageBytes(frames, channel);
  const whole = Buffer.concat(heard);
  const own = frames.filter((frame) => frame.channel.equals(channel));
  assert.ok(own.length < frames.length, "snapshots go to the chat's room");
  assert.equal(whole.toString("latin1").match(/\*3\r\n\$7\r\nmessage\r\n/g)?.length, own.length);
  const middle = heard.length >> 1;
  const cut = expectation(heard.slice(middle), expectation(heard.slice(0, middle)));
  assert.deepEqual(cut, expectation([whole]));
});
