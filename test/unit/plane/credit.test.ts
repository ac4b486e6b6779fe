/** The window of a large frame: what it says of others' buffers is never too little, and it opens when all have read. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CreditWindow } from "../../../src/plane/credit.js";

/** One who is subscribed: what the server has for it, oldest first, and when it will have read that. */
interface Reader {
  unread: { index: number; bytes: number }[];
}

type Step =
  | { kind: "send"; bytes: number }
  | { kind: "answer" }
  | { kind: "read"; who: number; confirms: boolean }
  | { kind: "join" }
  | { kind: "leave"; who: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("send" as const), bytes: fc.integer({ min: 1, max: 100 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("answer" as const) }) },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant("read" as const), who: fc.nat(9), confirms: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("join" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("leave" as const), who: fc.nat(9) }) },
);

test("nobody's buffer ever holds more than the window says, whoever comes, goes and loses credits", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 }), fc.array(step, { maxLength: 120 }), (count, steps) => {
      const window = new CreditWindow();
      const readers: Reader[] = Array.from({ length: count }, () => ({ unread: [] }));
      const answers: { index: number; delivered: number }[] = [];
      let index = 0;
      const send = (bytes: number) => {
        window.sent(++index, bytes, 0);
        for (const reader of readers) reader.unread.push({ index, bytes });
        answers.push({ index, delivered: readers.length });
      };
      const read = (reader: Reader, confirms: boolean) => {
        const message = reader.unread.shift();
        if (message !== undefined && confirms) window.confirmed(message.index);
      };
      for (const one of steps) {
        if (one.kind === "send") send(one.bytes);
        else if (one.kind === "answer") {
          const answer = answers.shift();
          if (answer !== undefined) window.answered(answer.index, answer.delivered);
        } else if (one.kind === "join") readers.push({ unread: [] });
        else if (readers.length > 0) {
          const at = one.who % readers.length;
          if (one.kind === "leave") readers.splice(at, 1);
          else read(readers[at]!, one.confirms);
        }
        for (const { unread } of readers) {
          const held = unread.reduce((sum, { bytes }) => sum + bytes, 0);
          assert.ok(held <= window.bytes, `a reader holds ${held}, the window says ${window.bytes}`);
        }
      }
      // Those who are left read what is there, a probe as well: then nothing is under way.
      send(0);
      for (const answer of answers) window.answered(answer.index, answer.delivered);
      for (const reader of readers) while (reader.unread.length > 0) read(reader, true);
      assert.ok(window.empty);
      assert.equal(window.bytes, 0);
    }),
    { numRuns: 400 },
  );
});

test("one who says nothing is not waited for after that, until it confirms again", () => {
  const window = new CreditWindow();
  const say = (index: number, now: number, credits: number) => {
    window.sent(index, 10, now);
    window.answered(index, 3);
    for (let i = 0; i < credits; i++) window.confirmed(index);
  };
  say(1, 0, 2);
  assert.equal(window.bytes, 10);
  assert.equal(window.waitingSince, 0);
  assert.equal(window.giveUp(-1), 0, "nothing is that old");
  assert.equal(window.giveUp(0), 1);
  assert.ok(window.empty);
  say(2, 100, 2);
  assert.ok(window.empty, "two of three are enough now");
  say(3, 200, 1);
  assert.ok(!window.empty, "the others are still waited for");
  window.confirmed(3);
  assert.ok(window.empty);
  window.confirmed(3);
  assert.equal(window.silent, 0, "the third is back");
  say(4, 300, 2);
  assert.ok(!window.empty);
});

test("a message that the server has not answered is never taken for read", () => {
  const window = new CreditWindow();
  window.sent(1, 10, 0);
  for (let i = 0; i < 5; i++) window.confirmed(1);
  assert.equal(window.bytes, 10);
  window.answered(1, 6);
  assert.equal(window.bytes, 10);
  window.confirmed(1);
  assert.equal(window.bytes, 0);
  window.answered(9, 1);
  window.confirmed(9);
  assert.equal(window.waitingSince, Number.POSITIVE_INFINITY);
});
