/**
 * The plane under faults, against a model: messages lost, repeated, damaged, receivers that restart, senders that forget,
 * raw phases, repairs that come late or never. What must hold is checked for every payload delivered.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { makeAnswer } from "../../../bench/generate.js";
import { ManualClock, type SentFrame, TestReceiver, TestSender } from "./support.js";

interface Published {
  chat: number;
  channel: Buffer;
  payload: Buffer;
}

const shapes = ["0.6.34", "0.9.5", "0.11.0", "0.11.4", "0.12.4"] as const;
const chats = Array.from({ length: 10 }, (_, i) =>
  makeAnswer({ shape: shapes[i % shapes.length]!, tokens: 25, seed: 100 + i, reasoning: i === 1 ? 5 : 0 }),
);

/** Several chats side by side, in an order that the numbers choose. */
function interleave(of: readonly number[], turns: readonly number[]): Published[] {
  const queues = of.map((chat) => chats[chat]!.map((frame) => ({ ...frame, chat })));
  const all: Published[] = [];
  for (let turn = 0; queues.some((queue) => queue.length > 0); turn++) {
    const left = queues.filter((queue) => queue.length > 0);
    all.push(left[(turns[turn % turns.length] ?? 0) % left.length]!.shift()!);
  }
  return all;
}

const scene = fc.record({
  of: fc.uniqueArray(fc.integer({ min: 0, max: chats.length - 1 }), { minLength: 1, maxLength: 4 }),
  turns: fc.array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 20 }),
  streams: fc.constantFrom(2, 5, 10_000),
});
const faults = fc.record({
  /** Per frame: 0-79 fine, then lost, twice, damaged, raw phase, receiver restarts, repairs withheld for a while. */
  dice: fc.array(fc.nat({ max: 99 }), { minLength: 10, maxLength: 60 }),
  answers: fc.constantFrom("always", "late", "never"),
});

function checkDelivered(published: readonly Published[], receiver: TestReceiver, from = 0): void {
  const last = new Map<number, number>();
  for (const { channel, payload } of receiver.delivered.slice(from)) {
    const chat = published.find((one) => one.payload.equals(payload))?.chat;
    assert.notEqual(chat, undefined, "a payload that nobody published");
    const after = last.get(chat!) ?? -1;
    const at = published.findIndex((one, i) => i > after && one.chat === chat && one.payload.equals(payload));
    assert.ok(at >= 0, "delivered twice or out of order");
    assert.equal(channel, published[at]!.channel.toString("latin1"));
    last.set(chat!, at);
  }
}

test("without faults everything arrives exactly once and in order, whatever the sender forgets", () => {
  fc.assert(
    fc.property(scene, ({ of, turns, streams }) => {
      const clock = new ManualClock();
      const sender = new TestSender(0xabc, clock, { count: streams, bytes: 1 << 26, idleMs: 1e6 });
      const receiver = new TestReceiver(clock);
      const published = interleave(of, turns);
      for (const { channel, payload } of published) {
        clock.ms += 150;
        receiver.receive(sender.send(channel, payload));
      }
      assert.deepEqual(
        receiver.delivered.map(({ payload }) => payload),
        published.map(({ payload }) => payload),
      );
      assert.deepEqual(receiver.resyncs, []);
    }),
    { interruptAfterTimeLimit: 4_000, numRuns: 200 },
  );
});

test("under faults nothing wrong, doubled or out of order is delivered, and what follows the faults heals", () => {
  fc.assert(
    fc.property(scene, faults, ({ of, turns, streams }, { dice, answers }) => {
      const clock = new ManualClock();
      const sender = new TestSender(0xabc, clock, { count: streams, bytes: 1 << 26, idleMs: 1e6 });
      let receiver = new TestReceiver(clock);
      const published = interleave(of, turns);
      const withheld: { channel: Buffer; message: Buffer }[] = [];
      const answer = (healthy: boolean) => {
        for (const { channel, message } of sender.answers(receiver.asked.splice(0))) {
          if (healthy || answers === "always") receiver.rebuilder.message(channel, message);
          else if (answers === "late") withheld.push({ channel, message });
        }
      };
      const faulty = Math.floor(published.length * 0.6);
      published.forEach(({ channel, payload }, i) => {
        clock.ms += 20;
        const roll = i < faulty ? dice[i % dice.length]! : 0;
        if (roll >= 96) receiver = restarted(receiver, clock, published);
        if (roll === 95) sender.channel(channel).generation++;
        const frame: SentFrame = sender.send(channel, payload);
        if (roll >= 80 && roll < 86) return;
        if (roll >= 86 && roll < 90) receiver.receive(frame);
        if (roll >= 90 && roll < 95 && frame.message !== undefined) {
          const damaged = Buffer.from(frame.message);
          damaged[(roll * 7 + i) % damaged.length]! ^= 1 << (i % 8);
          receiver.rebuilder.message(channel, damaged);
          return;
        }
        receiver.receive(frame);
        answer(i >= faulty);
        if (i % 9 === 8) {
          for (const late of withheld.splice(0)) receiver.rebuilder.message(late.channel, late.message);
        }
        receiver.rebuilder.tick();
        answer(i >= faulty);
      });
      // Repairs are paced: one that was lost is asked for again within the hold.
      for (let i = 0; i < 20; i++) {
        clock.ms += 50;
        receiver.rebuilder.tick();
        answer(true);
      }
      clock.ms += 2_000;
      receiver.rebuilder.tick();
      checkDelivered(published, receiver);
      assert.equal(receiver.rebuilder.heldFrames, 0, "no hold outlives its time");
      assert.equal(receiver.rebuilder.heldBytes, 0, "and none of its bytes");
      // What follows the faults arrives: the last frame of every chat.
      for (const chat of of) {
        const final = published.findLastIndex((one) => one.chat === chat);
        // A chat that was over before the faults were has nothing left to heal it.
        if (final < faulty) continue;
        const { payload } = published[final]!;
        assert.ok(
          receiver.delivered.some((one) => one.payload.equals(payload)),
          "the last frame of every chat",
        );
      }
    }),
    { interruptAfterTimeLimit: 8_000, numRuns: 300, includeErrorInReport: true },
  );
});

/** A receiver that starts anew in the middle; what the old one delivered is checked by itself. */
function restarted(old: TestReceiver, clock: ManualClock, published: readonly Published[]): TestReceiver {
  checkDelivered(published, old);
  return new TestReceiver(clock);
}
