/** What does not reach the apps is counted, frame by frame: delivered and counted together are all that was sent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type MadeFrame, makeAnswer } from "../../../bench/generate.js";
import { ManualClock, TestReceiver, TestSender } from "./support.js";

const growing = makeAnswer({ shape: "0.9.5", tokens: 60, seed: 3 });
const increments = makeAnswer({ shape: "0.11.4", tokens: 60, seed: 4 }).filter(({ payload }) =>
  payload.includes("response.output_text.delta"),
);

/** Sends one stream's frames to a receiver that misses some, and answers what it asks; the last one arrives. */
function run(frames: readonly MadeFrame[], misses: (place: number) => boolean, answered: boolean) {
  const clock = new ManualClock();
  const sender = new TestSender(0xabc, clock);
  const receiver = new TestReceiver(clock);
  for (const [place, { channel, payload }] of frames.entries()) {
    clock.ms += 60;
    const sent = sender.send(channel, payload);
    if (place > 0 && place < frames.length - 1 && misses(place)) continue;
    receiver.receive(sent);
    for (const { instance, seq } of receiver.asked.splice(0)) {
      if (answered) receiver.rebuilder.message(channel, sender.repair(instance, seq));
    }
    receiver.rebuilder.tick();
  }
  // Nobody waits any longer than a hold.
  clock.ms += 60_000;
  receiver.rebuilder.tick();
  const counted = [...receiver.undelivered.values()].reduce((sum, count) => sum + count, 0);
  return { receiver, counted };
}

const stream = growing.filter(({ payload }) => payload.includes("chat:completion") && !payload.includes('"done"'));

test("three frames of a cumulative stream that never came are superseded by the one behind them", () => {
  const { receiver, counted } = run(stream, (place) => place >= 10 && place < 13, true);
  assert.equal(receiver.undelivered.get("superseded"), 3);
  assert.equal(counted + receiver.delivered.length, stream.length);
});

test("three frames of a pinned stream that never came are a gap, also where the frame behind them had to wait", () => {
  const { receiver, counted } = run(increments, (place) => place >= 10 && place < 13, true);
  assert.equal(receiver.undelivered.get("gap"), 3);
  assert.equal(counted + receiver.delivered.length, increments.length);
});

for (const [kind, frames] of [
  ["a cumulative", stream],
  ["a pinned", increments],
] as const) {
  for (const answered of [true, false]) {
    test(`whatever is missed of ${kind} stream is counted once, ${answered ? "with" : "without"} answers`, () => {
      const places = fc.array(fc.integer({ min: 1, max: frames.length - 2 }), { maxLength: frames.length });
      fc.assert(
        fc.property(places, (missed) => {
          const set = new Set(missed);
          const { receiver, counted } = run(frames, (place) => set.has(place), answered);
          assert.equal(counted + receiver.delivered.length, frames.length);
        }),
        { numRuns: 200 },
      );
    });
  }
}
