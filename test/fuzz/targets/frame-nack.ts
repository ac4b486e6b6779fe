/** Control messages: any bytes say what a naive reader of the specification reads, or both refuse them. */
import assert from "node:assert/strict";
import { decodeNacks, encodeNacks, type Nack } from "../../../src/frame/nack.js";
import { guarded, refused } from "../input.js";
import { naiveHead, naiveVarint } from "../naive.js";

function naive(message: Buffer): ReturnType<typeof decodeNacks> | undefined {
  const head = naiveHead(message);
  if (head === undefined || head.type !== 2) return undefined;
  const nacks: Nack[] = [];
  for (let at = head.next; at < message.length; ) {
    const instance = naiveVarint(message, at);
    const seq = instance && naiveVarint(message, instance.next);
    if (instance === undefined || seq === undefined) return undefined;
    nacks.push({ instance: instance.value, seq: seq.value });
    at = seq.next;
  }
  return { epoch: head.epoch, connection: head.connection, nacks };
}

export function fuzz(data: Buffer): void {
  const seen = guarded(() => decodeNacks(data));
  assert.deepEqual(refused(seen) ? undefined : seen, naive(data));
  if (refused(seen)) return;
  const again = encodeNacks(seen.epoch, seen.connection, seen.nacks);
  assert.ok(again.length <= data.length, "our writing is the shortest");
  assert.deepEqual(decodeNacks(again), seen);
}
