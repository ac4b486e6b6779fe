/** What must hold of every delivery, whatever the network did: see the invariants that faults.test.ts names. */
import assert from "node:assert/strict";
import type { Pod } from "./network.js";
import type { TaggedFrame } from "./traffic.js";

const show = (frame: TaggedFrame) => `${frame.channel} ${frame.payload.toString("latin1", 0, 300)}`;

/** Every delivery was published on its channel, byte for byte, and not more often than that. */
export function checkPublished(pods: readonly Pod[], life: readonly number[]): void {
  const left = new Map<number, number>();
  for (const { id } of pods.flatMap((pod) => pod.published)) left.set(id, (left.get(id) ?? 0) + 1);
  for (const [i, id] of life.entries()) {
    const times = left.get(id);
    assert.notEqual(times, undefined, `delivery ${i} was never published on its channel`);
    assert.notEqual(times, 0, `delivery ${i} came once too often`);
    left.set(id, times! - 1);
  }
}

/** Frames of one chat of one emitter, with the barriers among them, were delivered in the order of publishing. */
export function checkOrder(pods: readonly Pod[], life: readonly number[], perChannel: boolean): void {
  for (const { epoch, published } of pods) {
    const domains = new Map<string, TaggedFrame>();
    for (const frame of published) {
      if (frame.emitter !== "") domains.set(`${frame.emitter} ${frame.chat} ${perChannel ? frame.channel : ""}`, frame);
    }
    for (const [domain, one] of domains) {
      const whole = published.filter((frame) => ordered(frame, one) && (!perChannel || frame.channel === one.channel));
      const concerned = new Set(whole.map(({ id }) => id));
      const part = life.filter((id) => concerned.has(id));
      assertSubsequence(part, whole, `pod ${epoch}, domain ${domain}`);
    }
  }
}

/** True where a frame must keep its place among those of the emitter and chat of `one`. */
function ordered(frame: TaggedFrame, one: TaggedFrame): boolean {
  if (frame.emitter === "") return true;
  return frame.emitter === one.emitter && (frame.chat === "" || frame.chat === one.chat);
}

function assertSubsequence(part: readonly number[], whole: readonly TaggedFrame[], what: string): void {
  let at = 0;
  for (const [i, id] of part.entries()) {
    while (at < whole.length && whole[at]!.id !== id) at++;
    if (at >= whole.length) {
      const places = part.slice(0, i + 1).map((each) => whole.findIndex((frame) => frame.id === each));
      const culprit = whole.find((frame) => frame.id === id)!;
      assert.fail(`${what}: came twice or out of order, published as ${places.join(" ")}: ${show(culprit)}`);
    }
    at++;
  }
}
