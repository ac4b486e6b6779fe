/**
 * Sender and receiver with a faulty network between them, as the fuzzer's bytes direct it: messages lost, damaged, repeated,
 * gathered, raw phases, questions answered late or never, receivers that begin anew. What must hold of every delivery is
 * what test/unit/plane/faults.test.ts asks for; here the faults are searched for, not drawn.
 */
import assert from "node:assert/strict";
import { makeAnswer } from "../../../bench/generate.js";
import { encodeMessage, type WireRecord } from "../../../src/frame/record.js";
import { Encoder } from "../../../src/plane/encode.js";
import { Rebuilder } from "../../../src/plane/rebuild.js";
import { type ChannelStreams, factsOf } from "../../../src/plane/sender.js";
import { nameFrame, newFrameName } from "../../../src/socketio/dialect.js";
import { Input } from "../input.js";

interface Frame {
  chat: number;
  channel: Buffer;
  payload: Buffer;
}

/** Chats side by side, a frame of each in turn: cumulative and not, on one channel and on many. */
const shapes = ["0.9.5", "0.11.4", "0.12.4", "0.6.34"] as const;
const published: Frame[] = [];
{
  const queues = shapes.map((shape, chat) =>
    makeAnswer({ shape, tokens: 14, seed: 40 + chat }).map(({ channel, payload }) => ({ chat, channel, payload })),
  );
  while (queues.some((queue) => queue.length > 0)) {
    for (const queue of queues) published.push(...queue.splice(0, 1));
  }
}
const EPOCH = 0xabc;
const streamLimits = { count: 10_000, bytes: 1 << 26, idleMs: 1e9 };
const name = newFrameName();

class Network {
  now = 1_000;
  next = 0;
  readonly #encoder = new Encoder(streamLimits, () => {});
  readonly #channels = new Map<string, ChannelStreams>();
  rebuilder!: Rebuilder;
  /** Index of the newest frame that each chat's listener has heard in this life. */
  #heard: number[] = [];
  readonly #asked: [number, number][] = [];
  readonly #hellos: { instance: number; seq: number }[] = [];
  /** Side messages that have been delivered undamaged in this life, and answers that are under way. */
  readonly delivered: { channel: Buffer; message: Buffer }[] = [];
  readonly answers: { channel: Buffer; message: Buffer }[] = [];

  constructor() {
    this.restart();
  }

  restart(): void {
    this.#heard = shapes.map(() => -1);
    this.#asked.length = 0;
    this.#hellos.length = 0;
    this.delivered.length = 0;
    const limits = { ...streamLimits, holdMs: 1_000, holdBytes: 1 << 20, maxPayloadBytes: 1 << 20, askMs: 50 };
    this.rebuilder = new Rebuilder(
      0xfeed,
      limits,
      { now: () => this.now },
      {
        deliver: (channel, payload) => this.#check(channel, payload),
        ask: (_epoch, _connection, instance, seq) => this.#asked.push([instance, seq]),
        resync: () => {},
        undelivered: () => {},
        repeat: () => {},
        needs: () => true,
        skipped: () => {},
        made: () => true,
        impostor: () => assert.fail("nobody sends under our epoch"),
        repaired: () => {},
        evicted: () => {},
      },
    );
  }

  /** Takes `count` frames of one channel out of the published ones, and encodes them as one message. */
  encode(count: number): { frames: Frame[]; message: Buffer | undefined } {
    const frames: Frame[] = [];
    const records: WireRecord[] = [];
    while (frames.length < count && this.next < published.length) {
      const frame = published[this.next]!;
      if (frames.length > 0 && !frame.channel.equals(frames[0]!.channel)) break;
      assert.ok(nameFrame(frame.channel, frame.payload, name));
      const facts = factsOf(name);
      if (facts.stream === 0) {
        if (frames.length === 0) {
          this.next++;
          frames.push(frame);
        }
        return { frames, message: undefined };
      }
      this.next++;
      this.now += 5;
      frames.push(frame);
      records.push(this.#encoder.encode(this.#channel(frame.channel), frame.payload, facts, this.now).record);
    }
    return { frames, message: records.length === 0 ? undefined : encodeMessage(EPOCH, 1, records) };
  }

  deliver(frames: readonly Frame[], message: Buffer | undefined): void {
    const channel = frames[0]?.channel;
    if (channel === undefined) return;
    if (message === undefined) {
      this.rebuilder.raw(channel, frames[0]!.payload, "exact");
      return;
    }
    this.rebuilder.message(channel, message);
    this.delivered.push({ channel, message });
  }

  /** The next frame goes raw, as where the server has refused the side channel: all of that channel's streams begin anew. */
  raw(): void {
    const frame = published[this.next];
    if (frame === undefined) return;
    this.next++;
    this.#channel(frame.channel).generation++;
    assert.ok(nameFrame(frame.channel, frame.payload, name));
    this.rebuilder.raw(frame.channel, frame.payload, "exact");
  }

  /** The sender hears the questions so far; its answers are under way. */
  answer(): void {
    for (const [instance, seq] of this.#asked.splice(0)) {
      const repair = this.#encoder.repair(instance, seq, this.now);
      this.answers.push(this.#message(repair?.channel, repair?.record ?? this.#encoder.gone(instance, seq)));
    }
  }

  /**
   * The receiver was deaf and says what it has; or, where that has been said, the sender hears it and sends the newest frames
   * of what went on, in the order in which it first sent them. They travel in its order, as all that it publishes does: they may be lost, never late.
   */
  hello(lost: boolean): void {
    const asked = this.#hellos.splice(0);
    if (asked.length === 0) {
      this.#hellos.push(...this.rebuilder.hello().flatMap(({ pairs }) => pairs));
      return;
    }
    asked.sort((a, b) => this.#encoder.sentAs(a.instance) - this.#encoder.sentAs(b.instance));
    for (const { instance, seq } of asked) {
      const newest = this.#encoder.newest(instance, seq, this.now);
      if (newest === undefined || lost) continue;
      const { channel, message } = this.#message(newest.channel, newest.record);
      this.rebuilder.message(channel, message);
    }
  }

  #message(to: ChannelStreams | undefined, record: WireRecord): { channel: Buffer; message: Buffer } {
    const channel = [...this.#channels].find(([, streams]) => streams === to)?.[0] ?? "";
    return { channel: Buffer.from(channel, "latin1"), message: encodeMessage(EPOCH, 1, [record]) };
  }

  #channel(of: Buffer): ChannelStreams {
    const key = of.toString("latin1");
    let streams = this.#channels.get(key);
    if (streams === undefined) {
      streams = { generation: 0 };
      this.#channels.set(key, streams);
    }
    return streams;
  }

  #check(channel: Buffer, payload: Buffer): void {
    const chat = published.find((one) => one.payload.equals(payload) && one.channel.equals(channel))?.chat;
    assert.ok(chat !== undefined, "a payload that nobody published on this channel");
    const after = this.#heard[chat]!;
    const at = published.findIndex((one, i) => i > after && one.chat === chat && one.payload.equals(payload));
    assert.ok(at >= 0 && at < this.next, "delivered twice or out of order");
    this.#heard[chat] = at;
  }
}

export function fuzz(data: Buffer): void {
  const input = new Input(data);
  const network = new Network();
  while (input.left > 0) {
    const op = input.u8();
    const more = op >> 4;
    switch (op & 15) {
      case 0:
        // A frame that is lost: the receiver is deaf from here on, until it says so.
        network.rebuilder.deaf();
        network.encode(1);
        break;
      case 1: {
        const { frames, message } = network.encode(1 + (more & 3));
        // What has no side message is not ours to protect.
        if (message === undefined) network.deliver(frames, message);
        else {
          message[(input.u8() * message.length) >> 8]! ^= input.u8();
          network.rebuilder.message(frames[0]!.channel, message);
        }
        break;
      }
      case 2: {
        const old = network.delivered.at(-1 - (input.u8() % Math.max(1, network.delivered.length)));
        if (old !== undefined) network.rebuilder.message(old.channel, old.message);
        break;
      }
      case 3:
        network.raw();
        break;
      case 4:
        network.answer();
        break;
      case 5: {
        const answer = network.answers[more % Math.max(1, network.answers.length)];
        if (answer !== undefined) network.rebuilder.message(answer.channel, answer.message);
        break;
      }
      case 6:
        network.now += (more + 1) * 40;
        network.rebuilder.tick();
        break;
      case 7:
        network.restart();
        break;
      case 8: {
        const { frames, message } = network.encode(1 + more);
        network.deliver(frames, message);
        break;
      }
      case 9:
        network.answer();
        for (const { channel, message } of network.answers.splice(0)) network.rebuilder.message(channel, message);
        break;
      case 11:
        network.hello(more % 4 === 3);
        break;
      default: {
        const { frames, message } = network.encode(1);
        network.deliver(frames, message);
      }
    }
  }
  for (let i = 0; i < 4; i++) {
    network.now += 1_000;
    network.rebuilder.tick();
  }
  assert.equal(network.rebuilder.heldFrames, 0, "no hold outlives its time");
  assert.equal(network.rebuilder.heldBytes, 0);
}
