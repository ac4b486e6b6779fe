/** The small parts of the plane: order domains, gathering, the echo, the table of streams. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ANY_DOMAIN, conflicts, DomainSet, domainTag } from "../../../src/plane/domain.js";
import { EchoQueue, type Sent } from "../../../src/plane/echo.js";
import { Batch } from "../../../src/plane/gather.js";
import { type StreamEntry, StreamTable } from "../../../src/plane/streams.js";

const tag = fc.integer({ min: 0, max: 255 });

test("a set of domains answers as asking each of them would", () => {
  fc.assert(
    fc.property(fc.array(tag, { maxLength: 12 }), fc.array(tag, { maxLength: 6 }), tag, (added, removed, asked) => {
      const set = new DomainSet();
      const naive = [...added];
      for (const one of added) set.add(one);
      for (const one of removed) {
        set.delete(one);
        const at = naive.indexOf(one);
        if (at >= 0) naive.splice(at, 1);
      }
      assert.equal(set.size, naive.length);
      assert.equal(
        set.conflicts(asked),
        naive.some((one) => conflicts(one, asked)),
      );
    }),
  );
});

test("chats of one emitter are apart, a barrier stops them all, another emitter is not concerned", () => {
  const [one, two, barrier, stranger] = [domainTag(1, 1), domainTag(1, 2), domainTag(1, 0), domainTag(2, 1)];
  assert.equal(conflicts(one, two), false);
  assert.equal(conflicts(one, one), true);
  assert.equal(conflicts(one, barrier), true);
  assert.equal(conflicts(stranger, barrier), false);
  assert.equal(conflicts(stranger, ANY_DOMAIN), true);
  assert.equal(domainTag(0, 5), ANY_DOMAIN);
});

const limits = { frames: 64, bytes: 1_000 };
const frame = (name: string, of: number) => ({ name, tag: of });

test("delta(user), snapshot(chat), delta(user) of one chat stay three messages in that order", () => {
  const chat = domainTag(1, 1);
  const batch = new Batch<string, { name: string; tag: number }>(limits);
  batch.addSide("user", frame("first", chat), 10);
  batch.addSide("chat", frame("snapshot", chat), 10);
  batch.addSide("user", frame("second", chat), 10);
  assert.deepEqual(
    batch.messages.map(({ channel, frames }) => [channel, ...frames.map(({ name }) => name)]),
    [
      ["user", "first"],
      ["chat", "snapshot"],
      ["user", "second"],
    ],
  );
});

test("frames of other chats join the open message of their channel", () => {
  const batch = new Batch<string, { name: string; tag: number }>(limits);
  batch.addSide("user", frame("a", domainTag(1, 1)), 10);
  batch.addSide("chat", frame("b", domainTag(1, 2)), 10);
  batch.addSide("user", frame("c", domainTag(1, 3)), 10);
  assert.equal(batch.messages.length, 2);
  assert.equal(batch.messages[0]?.frames.length, 2);
});

test("gathering never changes the order of two frames that conflict", () => {
  const sent = fc.array(
    fc.record({ channel: fc.constantFrom("a", "b", "c"), tag: fc.constantFrom(0, 16, 17, 18, 33), raw: fc.boolean() }),
    {
      maxLength: 30,
    },
  );
  fc.assert(
    fc.property(sent, (frames) => {
      const batch = new Batch<string, { at: number; tag: number }>({ frames: 64, bytes: 1e6 });
      frames.forEach((one, at) => {
        if (one.raw) batch.addRaw(one.channel, { at, tag: one.tag }, 1);
        else batch.addSide(one.channel, { at, tag: one.tag }, 1);
      });
      const order = batch.messages.flatMap((message) => message.frames);
      assert.equal(order.length, frames.length);
      order.forEach((later, i) => {
        for (const earlier of order.slice(0, i))
          if (conflicts(earlier.tag, later.tag)) assert.ok(earlier.at < later.at);
      });
      // What a receiver of one channel hears is in order whatever the domains: the encoder's chains rely on it.
      for (const channel of ["a", "b", "c"]) {
        const heard = batch.messages
          .filter((message) => message.channel === channel && message.kind === "side")
          .flatMap((message) => message.frames.map(({ at }) => at));
        assert.deepEqual(
          heard,
          [...heard].sort((x, y) => x - y),
        );
      }
    }),
  );
});

test("a batch is full by frames and by bytes, and always takes a first frame", () => {
  const batch = new Batch<string, { name: string; tag: number }>({ frames: 2, bytes: 100 });
  assert.ok(batch.hasRoom(5_000));
  batch.addSide("a", frame("x", 17), 60);
  assert.ok(!batch.hasRoom(50));
  assert.ok(batch.hasRoom(40));
  batch.addSide("a", frame("y", 17), 40);
  assert.ok(!batch.hasRoom(0));
});

/** An echo, and how many of its frames were given up. */
function echoes(maxBytes = 1_000): { echo: EchoQueue; lost(): number; send(seq: number): Sent } {
  let lost = 0;
  const echo = new EchoQueue(maxBytes, (frames) => {
    lost += frames;
  });
  const send = (seq: number) => echo.add(Buffer.from("c"), 0, 1, seq, Buffer.from(`frame ${seq}`), seq);
  return { echo, lost: () => lost, send };
}

test("our own frames come back once each; what was passed over is counted as lost", () => {
  const { echo, lost, send } = echoes();
  const sent = [1, 2, 3].map(send);
  echo.nextBatch();
  sent.push(send(4));
  echo.nextBatch();
  sent.push(send(5));
  assert.equal(echo.take(1, 1, 9), undefined, "not the frame that was sent");
  assert.equal(String(echo.take(1, 1, 1)), "frame 1");
  assert.equal(echo.take(1, 1, 1), undefined, "a repeat");
  assert.equal(sent[0]?.heard, true);
  echo.forget(sent[1]!);
  sent[2]!.published = true;
  assert.equal(String(echo.take(1, 4, 4)), "frame 4");
  assert.equal(lost(), 1, "the third was published and never came; the second was not waited for");
  const drained: string[] = [];
  echo.drain((_sent, payload) => drained.push(String(payload)));
  assert.equal(drained.length, 0, "it may be refused yet");
  sent[4]!.published = true;
  echo.drain((_sent, payload) => drained.push(String(payload)));
  assert.deepEqual(drained, ["frame 5"]);
  assert.equal(sent[4]?.heard, true);
  assert.equal(echo.take(1, 5, 5), undefined, "what was drained is a repeat when it comes after all");
  assert.equal(echo.bytes, 0);
  assert.equal(echo.frames, 0);
  assert.equal(lost(), 1);
});

test("frames of a batch that is sent again come back in another order than they were first sent in", () => {
  const { echo, lost, send } = echoes();
  const sent = [1, 2, 3, 4].map(send);
  // Refused or unanswered. The batch that follows holds fewer of them: others leave with the one behind it.
  echo.nextBatch();
  for (const at of [0, 2]) echo.again(sent[at]!);
  assert.equal(String(echo.take(1, 1, 1)), "frame 1");
  assert.equal(String(echo.take(1, 3, 3)), "frame 3");
  for (const at of [0, 2]) sent[at]!.published = true;
  echo.nextBatch();
  for (const at of [1, 3]) echo.again(sent[at]!);
  assert.equal(String(echo.take(1, 2, 2)), "frame 2");
  assert.equal(String(echo.take(1, 4, 4)), "frame 4");
  assert.equal(lost(), 0);
  assert.equal(echo.frames, 0);
});

test("a frame that comes back before the server has answered says nothing of those beside it", () => {
  const { echo, lost, send } = echoes();
  // Nobody here listens to the first one's channel; that is known when the answer is there.
  const [first] = [1, 2].map(send);
  assert.equal(String(echo.take(1, 2, 2)), "frame 2");
  echo.forget(first!);
  assert.equal(lost(), 0);
  assert.equal(echo.frames, 0);
});

test("the echo is bounded in bytes: the oldest are given up", () => {
  let lost = 0;
  const echo = new EchoQueue(100, (frames) => {
    lost += frames;
  });
  for (let i = 1; i <= 1_000; i++) {
    echo.add(Buffer.from("c"), 0, 1, i, Buffer.alloc(10), 0);
    assert.ok(echo.bytes <= 100);
  }
  assert.equal(lost, 990);
  assert.ok(echo.take(1, 1_000, 0));
});

test("a table of streams keeps its budgets of count, bytes and idle time, oldest first", () => {
  const evicted: string[] = [];
  const table = new StreamTable<number, StreamEntry>({ count: 3, bytes: 100, idleMs: 1_000 }, (key, _entry, reason) =>
    evicted.push(`${key} ${reason}`),
  );
  const entries = [1, 2, 3, 4].map((key) => {
    const entry = { bytes: 0, usedAt: key * 200 };
    table.add(key, entry);
    return entry;
  });
  assert.deepEqual(evicted.splice(0), ["1 count"]);
  table.touch(2, entries[1]!, 1_500);
  table.resize(4, entries[3]!, 60);
  table.resize(2, entries[1]!, 60);
  assert.deepEqual(evicted.splice(0), ["3 bytes", "4 bytes"]);
  assert.equal(table.bytes, 60);
  table.sweep(2_400);
  assert.deepEqual(evicted.splice(0), []);
  table.sweep(2_501);
  assert.deepEqual(evicted.splice(0), ["2 idle"]);
  assert.equal(table.size, 0);
  assert.equal(table.bytes, 0);
});

test("streams in use may stay beyond the budget, and go at the next sweep once they are not", () => {
  const gone: string[] = [];
  const used = new Set<StreamEntry>();
  const table = new StreamTable<number, StreamEntry>(
    { count: 2, bytes: 100, idleMs: 1_000 },
    (key, _entry, reason) => gone.push(`${key} ${reason}`),
    (entry) => used.has(entry),
  );
  const add = (key: number, bytes: number) => {
    const entry = { bytes: 0, usedAt: 0 };
    used.add(entry);
    table.add(key, entry);
    table.resize(key, entry, bytes);
  };
  for (const key of [1, 2, 3]) add(key, 60);
  table.sweep(0);
  assert.deepEqual([table.size, table.bytes, gone], [3, 180, []]);
  used.clear();
  table.sweep(0);
  assert.deepEqual([table.size, table.bytes, gone], [1, 60, ["1 count", "2 bytes"]]);
});
