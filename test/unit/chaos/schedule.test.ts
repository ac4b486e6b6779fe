/** The chaos runs' plan follows from the seed alone, and everything in it comes up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, chatsOf } from "../../chaos/chats.js";
import { rewriter } from "../../chaos/network.js";
import { describe, faultKinds, type Round, rounds } from "../../chaos/schedule.js";

function take(count: number, seed: number, kinds = faultKinds as readonly (typeof faultKinds)[number][]): Round[] {
  const made: Round[] = [];
  for (const round of rounds(seed, kinds, 3)) if (made.push(round) === count) break;
  return made;
}

test("the same seed gives the same rounds, another seed others", () => {
  assert.deepEqual(take(20, 7), take(20, 7));
  assert.notDeepEqual(take(20, 7), take(20, 8));
});

test("every kind comes up before any comes up again, in bounds, and no round has two changes of the master", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const all = take(30, seed);
    for (const { faults } of all) {
      const kinds = faults.map(({ kind }) => kind);
      assert.equal(new Set(kinds).size, kinds.length);
      assert.ok(!(kinds.includes("master-kill") && kinds.includes("failover")));
      for (const fault of faults) {
        assert.ok(fault.pod >= 0 && fault.pod < 3 && fault.at >= 0 && fault.lastsMs <= 20_000);
        assert.ok(describe(fault).length > 0);
        if (fault.kind === "cut") assert.ok(fault.lastsMs >= 1_000);
      }
    }
    const order = all.flatMap(({ faults }) => faults).length;
    assert.ok(order >= 30);
    const first = all.slice(0, 9).flatMap(({ faults }) => faults.map(({ kind }) => kind));
    assert.deepEqual([...new Set(first)].sort(), [...faultKinds].sort());
  }
});

test("only the faults that were asked for come up", () => {
  const kinds = take(40, 3, ["cut", "failover"]).flatMap(({ faults }) => faults.map(({ kind }) => kind));
  assert.deepEqual([...new Set(kinds)].sort(), ["cut", "failover"]);
});

test("chats and answers follow from the seed; each answer ends with frames that say so", () => {
  const chats = chatsOf(5, 50, 3, 4);
  assert.deepEqual(chats, chatsOf(5, 50, 3, 4));
  assert.equal(new Set(chats.map(({ shape }) => shape)).size, 5);
  assert.equal(new Set(chats.map(({ ids }) => ids.chat)).size, 50);
  for (const chat of chats) {
    const frames = answerOf(chat, 5, 0);
    assert.deepEqual(
      frames.map(({ digest }) => digest),
      answerOf(chat, 5, 0).map(({ digest }) => digest),
    );
    const finals = frames.filter(({ final }) => final);
    assert.ok(finals.length >= 1 && finals.length <= 4, `${chat.shape}: ${finals.length} finals`);
    assert.ok(frames.at(-1)!.final && !frames[0]!.final);
    assert.ok(frames.every((frame) => chat.channels.includes(frame.channel.toString())));
    const next = new Set(answerOf(chat, 5, 1).map(({ digest }) => digest));
    assert.ok(!frames.some(({ digest }) => next.has(digest)), "two answers have no frame in common");
  }
});

test("ports in what sentinels say become those of the pod's proxies, however the bytes are cut", () => {
  const ports = new Map([
    [36001, 40002],
    [36002, 9],
  ]);
  const said =
    "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n36001\r\n:36001\r\n+OK 36001\r\n$-1\r\n" +
    "$41\r\nmymaster 127.0.0.1 36001 127.0.0.1 360012\r\n$7\r\na\r\n3600\r\n$4\r\n36\r\n\r\n$5\r\n36002\r\n";
  const expected =
    "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n40002\r\n:36001\r\n+OK 36001\r\n$-1\r\n" +
    "$41\r\nmymaster 127.0.0.1 40002 127.0.0.1 360012\r\n$7\r\na\r\n3600\r\n$4\r\n36\r\n\r\n$1\r\n9\r\n";
  for (let cut = 0; cut <= said.length; cut++) {
    const rewrite = rewriter(ports);
    const out = [said.slice(0, cut), said.slice(cut)].map((part) => rewrite(Buffer.from(part)).toString());
    assert.equal(out.join(""), expected);
  }
});
