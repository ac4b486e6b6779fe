/** What the property tests of the plane have found, each as the shortest story that shows it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAnswer } from "../../../bench/generate.js";
import { limits, ManualClock, type SentFrame, TestReceiver, TestSender } from "./support.js";

const growing = makeAnswer({ shape: "0.9.5", tokens: 20, seed: 3 }).filter(({ payload }) =>
  payload.includes("content"),
);
const deltas = makeAnswer({ shape: "0.11.4", tokens: 20, seed: 4 }).filter(({ payload }) =>
  payload.includes("output_text.delta"),
);

function setUp(changed = {}) {
  const clock = new ManualClock();
  return { clock, sender: new TestSender(0xabc, clock), receiver: new TestReceiver(clock, 0xfeed, changed) };
}

function repairs(sender: TestSender, receiver: TestReceiver): Buffer[] {
  return receiver.asked.splice(0).flatMap(({ instance, seq }) => sender.repair(instance, seq) ?? []);
}

/** The frame's message with one bit of its last byte, which is the body's, turned. */
function damaged(frame: SentFrame): SentFrame {
  const message = Buffer.from(frame.message!);
  message[message.length - 1]! ^= 1;
  return { ...frame, message };
}

const payloads = (frames: readonly { payload: Buffer }[]) => frames.map(({ payload }) => payload.toString("latin1"));

test("a batch that is sent again is dropped whole, also where a stream ended and began anew in it", () => {
  const clock = new ManualClock();
  const sender = new TestSender(0xabc, clock, { count: 1, bytes: 1 << 20, idleMs: 1e6 });
  const receiver = new TestReceiver(clock);
  const batch = [growing[0]!, deltas[0]!, growing[1]!].map(({ channel, payload }) => sender.send(channel, payload));
  assert.equal(new Set(batch.map(({ encoded }) => encoded!.instance)).size, 3);
  for (const frame of [...batch, ...batch]) receiver.receive(frame);
  assert.deepEqual(payloads(receiver.delivered), payloads(batch));
  assert.equal(receiver.repeats, 3);
});

test("what waits behind a frame without a base is held in the same bytes", () => {
  const { sender, receiver } = setUp({ holdBytes: 3_000 });
  const sent = deltas.map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(sent[5]!);
  for (const { channel, payload } of deltas) {
    receiver.rebuilder.raw(channel, payload, "exact");
    assert.ok(receiver.rebuilder.heldBytes <= 3_000, `${receiver.rebuilder.heldBytes} bytes`);
  }
  assert.equal(receiver.undelivered.get("hold_full"), 1);
  assert.deepEqual(payloads(receiver.delivered), payloads(deltas), "nothing is lost but what could not be rebuilt");
});

test("a damaged record that waited for its base is given up when the base comes, and spoils it for no other", () => {
  const { sender, receiver } = setUp();
  const sent = deltas.slice(0, 10).map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(damaged(sent[4]!));
  receiver.receive(sent[5]!);
  assert.equal(receiver.rebuilder.heldFrames, 2);
  for (const message of repairs(sender, receiver)) receiver.rebuilder.message(sent[4]!.channel, message);
  assert.deepEqual(payloads(receiver.delivered), payloads([sent[5]!]));
  assert.equal(receiver.undelivered.get("damaged"), 1);
  for (const frame of sent.slice(6)) receiver.receive(frame);
  assert.equal(receiver.delivered.length, 5);
  assert.equal(receiver.rebuilder.heldFrames, 0);
});

test("a stream that was given up once waits again later, so that a rare frame is not lost for ever", () => {
  const { clock, sender, receiver } = setUp();
  const sent = deltas.slice(0, 10).map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(sent[4]!);
  clock.ms += limits.holdMs + 1;
  receiver.rebuilder.tick();
  receiver.asked.length = 0;
  receiver.receive(sent[5]!);
  assert.equal(receiver.undelivered.get("hold_timeout"), 2, "for a while nobody waits for it");
  receiver.asked.length = 0;
  clock.ms += limits.holdMs * 10;
  receiver.receive(sent[6]!);
  assert.equal(receiver.rebuilder.heldFrames, 1);
  for (const message of repairs(sender, receiver)) receiver.rebuilder.message(sent[6]!.channel, message);
  assert.deepEqual(payloads(receiver.delivered), payloads([sent[6]!]));
});

test("a repair that comes before the frame that it repeats saves another question, and is delivered once", () => {
  const { clock, sender, receiver } = setUp();
  const sent = growing.slice(0, 4).map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(sent[1]!);
  // The sender has encoded the others already, and not sent them: its newest base is theirs.
  for (const message of repairs(sender, receiver)) receiver.rebuilder.message(sent[1]!.channel, message);
  clock.ms += limits.askMs + 1;
  receiver.receive(sent[3]!);
  assert.deepEqual(payloads(receiver.delivered), payloads([sent[3]!]));
  assert.deepEqual(receiver.asked, []);
  receiver.receive(sent[3]!);
  assert.equal(receiver.repeats, 1);
});

test("a repair never goes ahead of a frame that was published before it", () => {
  const { sender, receiver } = setUp();
  const [first, second, third] = growing.slice(0, 3).map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(second!);
  receiver.rebuilder.raw(first!.channel, deltas[0]!.payload, "exact");
  // Repaired is the newest frame, which comes after the raw one, and has not come yet.
  for (const message of repairs(sender, receiver)) receiver.rebuilder.message(second!.channel, message);
  receiver.receive(third!);
  assert.deepEqual(payloads(receiver.delivered), payloads([deltas[0]!, third!]));
});

test("what comes back under our own epoch has been heard; what we never made is an impostor's", () => {
  const { clock } = setUp();
  const ours = new TestSender(0xfeed, clock);
  const receiver = new TestReceiver(clock, 0xfeed);
  const [first, second] = growing.slice(0, 2).map(({ channel, payload }) => ours.send(channel, payload));
  receiver.own = { instance: 1, seq: 1 };
  receiver.rebuilder.own(first!.channel, 0, first!.payload);
  receiver.receive(first!);
  assert.deepEqual(payloads(receiver.delivered), payloads([first!]));
  assert.equal(receiver.impostors, 0);
  receiver.receive(second!);
  assert.equal(receiver.delivered.length, 1);
  assert.equal(receiver.impostors, 1);
});

test("the last frame of a message that nobody waited for any more is heard when its repair comes, unless something overtook it", () => {
  for (const overtaken of [false, true]) {
    const { clock, sender, receiver } = setUp();
    const sent = growing.slice(0, 5).map(({ channel, payload }) => sender.send(channel, payload));
    receiver.receive(sent[0]!);
    receiver.receive(sent[2]!);
    clock.ms += limits.holdMs + 1;
    receiver.rebuilder.tick();
    receiver.receive(sent[4]!);
    assert.equal(receiver.undelivered.get("hold_timeout"), 2, "its stream holds up nothing for a while");
    if (overtaken) receiver.rebuilder.raw(sent[0]!.channel, deltas[0]!.payload, "exact");
    for (const message of repairs(sender, receiver)) receiver.rebuilder.message(sent[0]!.channel, message);
    const heard = overtaken ? [sent[0]!, deltas[0]!] : [sent[0]!, sent[4]!];
    assert.deepEqual(payloads(receiver.delivered), payloads(heard));
    receiver.receive(sent[4]!);
    assert.equal(receiver.delivered.length, 2, "and once only");
  }
});

test("what came between the end of deafness and the hello is not overtaken by what was missed before it", () => {
  for (const between of [false, true]) {
    const { clock, sender, receiver } = setUp();
    const [first, missed] = growing.slice(0, 2).map(({ channel, payload }) => sender.send(channel, payload));
    receiver.receive(first!);
    receiver.rebuilder.deaf();
    // Of the same chat, on another stream, published behind the one that is missed.
    const { channel, payload } = growing[0]!;
    const other = sender.send(channel, Buffer.from(String(payload).replace("chat:completion", "chat:tags")));
    if (between) receiver.receive(other);
    const pair = receiver.rebuilder.hello()[0]!.pairs.find(({ instance }) => instance === missed!.encoded!.instance)!;
    if (!between) receiver.receive(other);
    clock.ms += 10;
    const newest = sender.encoder.newest(pair.instance, pair.seq, clock.now())!;
    receiver.rebuilder.message(channel, sender.message(newest.record));
    assert.deepEqual(payloads(receiver.delivered), payloads([first!, other]), "it would come too late");
  }
});
