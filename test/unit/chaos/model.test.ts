/** The chaos runs' checker can fail: each violation is shown to be found, and a faultless run to be none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ear, history, Model, type Published, type ViolationKind } from "../../chaos/model.js";

const channel = "socketio";

interface Scene {
  model: Model;
  ears: Ear[];
  /** Publishes in pod 0, answered at once. */
  say(digest: string, at: number, more?: { final?: boolean; domain?: string; pod?: number }): Published;
  hear(digest: string, at: number, ...by: Ear[]): void;
  kinds(): ViolationKind[];
}

/** Two pods with an ear each, both subscribed from 0 on. */
function scene(): Scene {
  const model = new Model(2);
  const ears = [model.ear("a", 0), model.ear("b", 1)];
  for (const ear of ears) ear.subscribed(channel, 0);
  return {
    model,
    ears,
    say(digest, at, { final = false, domain = "chat", pod = 0 } = {}) {
      const frame = model.publish(domain, { channel, digest, final, pod, at, via: "pool", excerpt: digest });
      model.answered(frame, "ok", at + 1);
      return frame;
    },
    hear(digest, at, ...by) {
      for (const ear of by.length > 0 ? by : ears) model.heard(ear, channel, digest, at);
    },
    kinds: () => model.violations.map(({ kind }) => kind),
  };
}

test("what is published, answered and heard everywhere in order violates nothing", () => {
  const { model, say, hear, kinds } = scene();
  for (let i = 0; i < 10; i++) {
    say(`x${i}`, 10 + i, { final: i === 9 });
    hear(`x${i}`, 12 + i);
  }
  const summary = model.endRound(50, 60, 0);
  assert.deepEqual(kinds(), []);
  assert.equal(summary.published, 10);
  assert.deepEqual(model.checked, { payloads: 20, strict: 20, finals: 2 });
});

test("a payload that nobody has published is wrong", () => {
  const { say, hear, ears, kinds } = scene();
  say("x", 1);
  hear("y", 2, ears[1]!);
  assert.deepEqual(kinds(), ["wrong"]);
});

test("a payload on another channel is found", () => {
  const { model, say, ears, kinds } = scene();
  say("x", 1);
  model.heard(ears[1]!, "socketio#/#user:1", "x", 2);
  assert.deepEqual(kinds(), ["channel"]);
});

test("a payload that comes twice is a duplicate, also over two connections", () => {
  const { model, say, hear, ears, kinds } = scene();
  say("x", 1);
  hear("x", 2);
  model.disturb(1, 3);
  model.lostEar(ears[1]!, 4, "reset");
  ears[1]!.subscribed(channel, 5);
  hear("x", 6, ears[1]!);
  assert.deepEqual(kinds(), ["duplicate"]);
});

test("an older frame behind a newer one of its chat is a reorder; of another chat it is none", () => {
  const { say, hear, ears, kinds } = scene();
  say("x0", 1);
  say("x1", 2);
  say("y0", 1, { domain: "other" });
  hear("x1", 3, ears[0]!);
  hear("y0", 4, ears[0]!);
  assert.deepEqual(kinds(), []);
  hear("x0", 5, ears[0]!);
  assert.deepEqual(kinds(), ["reorder"]);
});

test("bytes that were published twice may be heard twice, and a third time is a duplicate", () => {
  const { model, say, hear, ears, kinds } = scene();
  for (const [at, digest] of ["a", "b", "a"].entries()) say(digest, at);
  hear("a", 10, ears[0]!);
  hear("a", 11, ears[0]!);
  assert.deepEqual(kinds(), []);
  hear("a", 12, ears[0]!);
  assert.deepEqual(kinds(), ["duplicate"]);
  assert.equal(model.missing(100).length, 2, "only b can be missed by name, by both");
});

test("a frame in calm that one ear does not hear is lost, a final frame is named as such", () => {
  const { model, say, hear, ears, kinds } = scene();
  say("x0", 1);
  say("x1", 2, { final: true });
  hear("x0", 3, ears[0]!);
  hear("x1", 3, ears[0]!);
  assert.equal(model.missing(10).length, 2);
  model.endRound(10, 20, 100);
  assert.deepEqual(kinds(), ["lost", "final"]);
  assert.match(model.violations[0]!.text, /^b has not heard number 0 of chat/);
});

test("what is published behind the round's end is judged with the next one", () => {
  const { model, say, hear, kinds } = scene();
  say("x0", 11);
  model.endRound(10, 20, 0);
  assert.deepEqual(kinds(), []);
  hear("x0", 21);
  assert.equal(model.endRound(30, 40, 0).published, 1);
  assert.deepEqual(kinds(), []);
});

test("a disturbed pod may miss frames until it is calm, an undisturbed one may not", () => {
  const { model, say, hear, ears, kinds } = scene();
  model.disturb(1, 5);
  say("x0", 6);
  hear("x0", 7, ears[0]!);
  model.calm(1, 10);
  model.endRound(11, 12, 0);
  assert.deepEqual(kinds(), [], "b was disturbed");
  say("x1", 13);
  hear("x1", 14, ears[0]!);
  model.endRound(20, 21, 0);
  assert.deepEqual(kinds(), ["lost"], "b is calm again");
});

test("a frame of a disturbed publisher may be missed by all, if it is counted", () => {
  const { model, say, kinds } = scene();
  model.disturb(0, 1);
  say("x0", 2);
  say("x1", 3);
  assert.equal(model.endRound(10, 11, 2).unheard, 2);
  assert.deepEqual(kinds(), []);
  say("x2", 12);
  model.endRound(20, 21, 0);
  assert.deepEqual(kinds(), ["uncounted"]);
});

test("what was with a sidecar when it was killed needs no count", () => {
  const { model, say, kinds } = scene();
  model.disturb(0, 1);
  say("x0", 2);
  model.killed(0, 3);
  const { unheard, excused } = model.endRound(10, 11, 0);
  assert.deepEqual([unheard, excused], [1, 1]);
  assert.deepEqual(kinds(), []);
  say("x1", 4);
  model.endRound(20, 21, 0);
  assert.deepEqual(kinds(), ["uncounted"], "it was accepted behind the kill");
});

test("a refused PUBLISH and a lost connection are violations in calm only", () => {
  const { model, ears, kinds } = scene();
  const say = (at: number) =>
    model.publish("chat", { channel, digest: `d${at}`, final: false, pod: 0, at, via: "pool", excerpt: "" });
  model.disturb(0, 1);
  model.answered(say(2), "error", 3, "keyframe: upstream unavailable");
  model.lostEar(ears[0]!, 4, "reset");
  model.calm(0, 5);
  model.answered(say(9), "late", 10, "timeout");
  assert.deepEqual(kinds(), []);
  model.answered(say(6), "error", 7, "keyframe: upstream unavailable");
  model.lostEar(ears[0]!, 8, "reset");
  assert.deepEqual(kinds(), ["refused", "cut-off"]);
});

test("an ear owes nothing before its subscription, while it is excused, or once it has left", () => {
  const { model, say, hear, ears, kinds } = scene();
  const late = model.ear("late", 1);
  say("x0", 1);
  late.subscribed(channel, 2);
  late.excused.push({ from: 3, to: 5 });
  say("x1", 4);
  late.lost(6);
  say("x2", 7);
  for (const digest of ["x0", "x1", "x2"]) hear(digest, 8, ...ears);
  model.endRound(10, 11, 0);
  assert.deepEqual(kinds(), []);
});

test("the history of a frame says what was published around it and who heard it", () => {
  const { model, say, hear, ears } = scene();
  for (let i = 0; i < 20; i++) say(`x${i}`, i * 10);
  hear("x10", 105, ears[0]!);
  const text = history(model, model.domains.get("chat")!.frames[10]!, 2);
  assert.match(text, /^> 10 \+0 ms over pool: ok \+1 ms socketio x10$/m);
  assert.match(text, /heard: a \+5 ms, b not/);
  assert.match(text, /^ {2}8 -20 ms /m);
  assert.doesNotMatch(text, /x13/);
});
