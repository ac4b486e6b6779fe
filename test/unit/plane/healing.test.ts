/** What receivers do when they lack a base: hold, ask, heal; never a wrong byte, never out of order, never twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAnswer } from "../../../bench/generate.js";
import { capturePath, readCapture } from "../../support/captures.js";
import { ManualClock, type SentFrame, TestReceiver, TestSender } from "./support.js";

const growing = makeAnswer({ shape: "0.9.5", tokens: 40, seed: 3 });
const deltas = makeAnswer({ shape: "0.11.4", tokens: 40, seed: 4 });

function setUp(changed = {}) {
  const clock = new ManualClock();
  const sender = new TestSender(0xabc, clock);
  const receiver = new TestReceiver(clock, 0xfeed, changed);
  return { clock, sender, receiver };
}

/** Answers what the receiver has asked, as the sender's inbox would. */
function answer(sender: TestSender, receiver: TestReceiver, channel: Buffer): void {
  for (const { instance, seq } of receiver.asked.splice(0)) {
    const message = sender.repair(instance, seq);
    if (message !== undefined) receiver.rebuilder.message(channel, message);
  }
}

/** Position of each delivered payload among the sent ones: strictly rising, or something came twice or out of order. */
function positions(sent: readonly SentFrame[], receiver: TestReceiver, from = 0): number[] {
  let at = from - 1;
  return receiver.delivered.map(({ payload }) => {
    at = sent.findIndex((frame, index) => index > at && frame.payload.equals(payload));
    assert.ok(at >= 0, "each payload delivered was published, after the one before it");
    return at;
  });
}

test("a receiver that joins a cumulative stream in its middle has the newest frame after one question", () => {
  const { sender, receiver } = setUp();
  const sent = growing.map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(sent[20]!);
  assert.equal(receiver.delivered.length, 0, "nothing is guessed");
  assert.deepEqual(receiver.resyncs, ["unknown_instance"]);
  answer(sender, receiver, sent[20]!.channel);
  // The sender's newest base is that of its last frame: it is newer than what the receiver holds.
  const next = sender.send(sent[20]!.channel, Buffer.from(growing[25]!.payload));
  receiver.receive(next);
  assert.ok(receiver.delivered.at(-1)!.payload.equals(next.payload));
});

test("a receiver that joins a pinned stream in its middle has every frame from its join on", () => {
  const { sender, receiver } = setUp();
  const sent = deltas.map(({ channel, payload }) => sender.send(channel, payload));
  const join = 10;
  for (const frame of sent.slice(join, 15)) receiver.receive(frame);
  assert.equal(receiver.delivered.length, 0);
  answer(sender, receiver, sent[join]!.channel);
  for (const frame of sent.slice(15)) {
    receiver.receive(frame);
    // Other streams of the chat are joined in their middle as well.
    answer(sender, receiver, frame.channel);
  }
  const expected = sent.slice(join).map((_frame, index) => join + index);
  assert.deepEqual(positions(sent, receiver, join), expected);
  assert.equal(receiver.undelivered.size, 0);
});

test("a frame of the same chat does not overtake one that waits for a keyframe", () => {
  const { sender, receiver } = setUp();
  const sent = growing.map(({ channel, payload }) => sender.send(channel, payload));
  const done = growing.at(-1)!;
  receiver.receive(sent[10]!);
  // Another stream of the same chat, whole: it could be delivered at once, and must not.
  receiver.rebuilder.raw(done.channel, done.payload, "exact");
  assert.equal(receiver.delivered.length, 0);
  answer(sender, receiver, done.channel);
  assert.equal(receiver.delivered.at(-1)!.kind, "raw");
});

test("a frame of another chat does not wait", () => {
  const { sender, receiver } = setUp();
  const other = makeAnswer({ shape: "0.9.5", tokens: 3, seed: 99 });
  const sent = growing.map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(sent[10]!);
  receiver.rebuilder.raw(other[1]!.channel, other[1]!.payload, "exact");
  assert.equal(receiver.delivered.length, 1);
});

test("a hold that nobody answers ends, is counted, and lets go of what waited behind it", () => {
  const { clock, sender, receiver } = setUp();
  const sent = growing.map(({ channel, payload }) => sender.send(channel, payload));
  receiver.receive(sent[10]!);
  receiver.rebuilder.raw(growing[0]!.channel, growing[0]!.payload, "exact");
  clock.ms += 1_001;
  receiver.rebuilder.tick();
  assert.equal(receiver.undelivered.get("hold_timeout"), 1);
  assert.equal(receiver.delivered.length, 1);
  assert.equal(receiver.rebuilder.heldFrames, 0);
  assert.equal(receiver.rebuilder.heldBytes, 0);
});

test("a repeated message is dropped", () => {
  const { sender, receiver } = setUp();
  const sent = deltas.map(({ channel, payload }) => sender.send(channel, payload));
  for (const frame of sent) {
    receiver.receive(frame);
    receiver.receive(frame);
  }
  assert.equal(receiver.delivered.length, sent.length);
  assert.equal(receiver.repeats, sent.filter((frame) => frame.message !== undefined).length);
});

test("a stream that was evicted and begun again while a hold exists swallows and reorders nothing", () => {
  const clock = new ManualClock();
  const sender = new TestSender(0xabc, clock, { count: 1, bytes: 1 << 20, idleMs: 1e6 });
  const receiver = new TestReceiver(clock);
  const other = makeAnswer({ shape: "0.11.4", tokens: 3, seed: 77 });
  const sent: SentFrame[] = [];
  const send = (frame: { channel: Buffer; payload: Buffer }) => {
    const one = sender.send(frame.channel, frame.payload);
    sent.push(one);
    return one;
  };
  const stream = deltas.filter(({ payload }) => payload.includes("response.output_text.delta"));
  send(stream[0]!);
  const missed = send(stream[1]!);
  receiver.receive(missed);
  assert.equal(receiver.rebuilder.heldFrames, 1);
  send(other[0]!);
  clock.ms += 60;
  const again = send(stream[2]!);
  receiver.receive(again);
  assert.equal(receiver.delivered.length, 0, "the new instance waits behind the old one's hold");
  answer(sender, receiver, missed.channel);
  const rest = stream.slice(3).map(send);
  for (const frame of rest) receiver.receive(frame);
  assert.deepEqual(
    receiver.delivered.map(({ payload }) => stream.findIndex((frame) => frame.payload.equals(payload))),
    stream.slice(2).map((frame) => stream.findIndex((one) => one.payload.equals(frame.payload))),
  );
  assert.equal(receiver.undelivered.get("gone"), 1, "what could not be rebuilt is counted");
});

test("a damaged body is not delivered; the stream heals by a repair", () => {
  const { clock, sender, receiver } = setUp();
  const sent = deltas.map(({ channel, payload }) => sender.send(channel, payload));
  const at = sent.findIndex((frame) => frame.encoded?.kind === "delta");
  for (const frame of sent.slice(0, at)) receiver.receive(frame);
  const before = receiver.delivered.length;
  const damaged = Buffer.from(sent[at]!.message!);
  damaged[damaged.length - 1]! ^= 0x55;
  receiver.rebuilder.message(sent[at]!.channel, damaged);
  assert.equal(receiver.delivered.length, before);
  clock.ms += 60;
  answer(sender, receiver, sent[at]!.channel);
  for (const frame of sent.slice(at + 1)) receiver.receive(frame);
  clock.ms += 1_100;
  receiver.rebuilder.tick();
  for (const { payload } of receiver.delivered) assert.ok(sent.some((frame) => frame.payload.equals(payload)));
  assert.ok(receiver.delivered.at(-1)!.payload.equals(sent.at(-1)!.payload));
});

test("foreign and malformed messages reach nobody and never throw", () => {
  const { receiver } = setUp();
  const channel = Buffer.from("socketio");
  for (const message of [
    Buffer.alloc(0),
    Buffer.of(1),
    Buffer.of(9, 9, 9),
    Buffer.alloc(64, 0xff),
    Buffer.alloc(5_000, 1),
  ]) {
    receiver.rebuilder.message(channel, message);
  }
  assert.equal(receiver.delivered.length, 0);
  assert.equal(receiver.rebuilder.heldFrames, 0);
});

test("the hold is bounded in bytes", () => {
  const { sender, receiver } = setUp({ holdBytes: 2_000 });
  const sent = deltas.map(({ channel, payload }) => sender.send(channel, payload));
  for (const frame of sent.slice(20)) receiver.receive(frame);
  assert.ok(receiver.rebuilder.heldBytes <= 2_000);
  assert.ok((receiver.undelivered.get("hold_full") ?? 0) > 0);
});

test("a record under our own epoch that we never sent is noticed", () => {
  const clock = new ManualClock();
  const other = new TestSender(0xfeed, clock);
  const receiver = new TestReceiver(clock, 0xfeed);
  receiver.receive(other.send(growing[1]!.channel, growing[1]!.payload));
  assert.equal(receiver.impostors, 1);
  // Our own counter may have passed theirs: then it is the sequence that gives them away.
  receiver.own = { instance: 1, seq: 2 };
  receiver.receive(other.send(growing[1]!.channel, growing[2]!.payload));
  assert.equal(receiver.impostors, 1, "a record of ours that comes back is no impostor");
  receiver.receive(other.send(growing[1]!.channel, growing[3]!.payload));
  assert.equal(receiver.impostors, 2);
});

test("a whole frame in the middle of a stream, whose primer a late receiver lacks, is held, asked for, delivered once", () => {
  const { sender, receiver } = setUp();
  const frames = [...readCapture(capturePath("0.9.5-e_tool"))];
  const sent: SentFrame[] = [];
  let joined = -1;
  for (const { channel, payload } of frames) {
    const frame = sender.send(channel, payload);
    sent.push(frame);
    if (joined < 0 && frame.encoded?.kind === "keyframe" && frame.encoded.seq > 1) joined = sent.length - 1;
    if (joined < 0) continue;
    receiver.receive(frame);
    if (joined === sent.length - 1) assert.equal(receiver.delivered.length, 0, "it cannot be read without its primer");
    answer(sender, receiver, channel);
  }
  assert.ok(joined > 0, "the recording has such a frame");
  assert.deepEqual(
    positions(sent, receiver, joined),
    sent.slice(joined).map((_frame, index) => joined + index),
  );
  assert.equal(receiver.undelivered.size, 0);
});

test("a sender that forgets its streams begins them anew, and needs nothing from before", () => {
  const clock = new ManualClock();
  const sender = new TestSender(0xabc, clock, { count: 1, bytes: 1 << 20, idleMs: 1e6 });
  const receiver = new TestReceiver(clock);
  for (const frame of [...growing, ...deltas].map(({ channel, payload }) => sender.send(channel, payload))) {
    clock.ms += 200;
    receiver.receive(frame);
    assert.ok(receiver.delivered.at(-1)?.payload.equals(frame.payload));
  }
  assert.deepEqual(receiver.resyncs, []);
});

test("frames that never came are counted, whatever heals the stream behind them", () => {
  for (const [name, frames, reason] of [
    ["cumulative", growing, "superseded"],
    ["pinned", deltas, "gap"],
  ] as const) {
    const { sender, receiver } = setUp();
    // One stream of each answer: its opening and its end are others.
    const own = frames.slice(1, 30);
    const send = (at: number) => sender.send(own[at]!.channel, own[at]!.payload);
    for (let at = 0; at < 5; at++) receiver.receive(send(at));
    for (let at = 5; at < 8; at++) send(at);
    const next = send(8);
    receiver.receive(next);
    answer(sender, receiver, next.channel);
    receiver.receive(send(9));
    assert.ok(receiver.delivered.at(-1)!.payload.equals(own[9]!.payload), name);
    assert.deepEqual([...receiver.undelivered], [[reason, 3]], name);
  }
});

test("a frame that came and was given up is not counted again with those that never came", () => {
  const { clock, sender, receiver } = setUp();
  const own = growing.slice(1, 30);
  const send = (at: number) => sender.send(own[at]!.channel, own[at]!.payload);
  for (let at = 0; at < 3; at++) receiver.receive(send(at));
  send(3);
  receiver.receive(send(4));
  clock.ms += 60_000;
  receiver.rebuilder.tick();
  assert.deepEqual(Object.fromEntries(receiver.undelivered), { superseded: 1, hold_timeout: 1 });
  // Its stream holds up nothing for a while: this one is given up at once, and its base comes for those behind it.
  const next = send(5);
  receiver.receive(next);
  answer(sender, receiver, next.channel);
  receiver.receive(send(6));
  assert.ok(receiver.delivered.at(-1)!.payload.equals(own[6]!.payload));
  assert.deepEqual(Object.fromEntries(receiver.undelivered), { superseded: 1, hold_timeout: 2 });
});
