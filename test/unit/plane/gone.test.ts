/** A sender has forgotten an instance and said so: what came of it before is still known to have come. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAnswer } from "../../../bench/generate.js";
import { ManualClock, TestReceiver, TestSender } from "./support.js";

test("a batch that is sent again after its instance has gone repeats nothing", () => {
  const clock = new ManualClock();
  const sender = new TestSender(0xabc, clock);
  const receiver = new TestReceiver(clock);
  // The very first frame is a stream of its own.
  const frames = makeAnswer({ shape: "0.11.0", tokens: 5, seed: 4 }).slice(1);
  const channel = frames[0]!.channel;
  const sent = frames.slice(0, 3).map(({ payload }) => sender.send(channel, payload));
  receiver.receive(sent[0]!);
  // The second is lost, so the third waits; then all streams of the channel begin anew.
  receiver.receive(sent[2]!);
  sender.channel(channel).generation++;
  receiver.receive(sender.send(channel, frames[3]!.payload));
  const [question] = receiver.asked;
  receiver.rebuilder.message(channel, sender.repair(question!.instance, question!.seq)!);
  assert.deepEqual(Object.fromEntries(receiver.undelivered), { superseded: 1, gone: 1 });

  receiver.receive(sent[0]!);
  assert.deepEqual(
    receiver.delivered.map(({ payload }) => frames.findIndex((frame) => frame.payload.equals(payload))),
    [0, 3],
  );
  assert.equal(receiver.repeats, 1);
});
