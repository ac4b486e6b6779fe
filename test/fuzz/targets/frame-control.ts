/** Control messages: any bytes say what a naive reader of the specification reads, or both refuse them. */
import assert from "node:assert/strict";
import {
  type ControlKind,
  type ControlMessage,
  decodeControl,
  encodeControl,
  type Pair,
} from "../../../src/frame/control.js";
import { guarded, refused } from "../input.js";
import { naiveHead, naiveVarint } from "../naive.js";

function naive(message: Buffer): ControlMessage | undefined {
  const head = naiveHead(message);
  if (head === undefined || head.type !== 2) return undefined;
  const kind = message[head.next];
  if (kind === undefined || kind < 1 || kind > 5) return undefined;
  const pairs: Pair[] = [];
  for (let at = head.next + 1; at < message.length; ) {
    const instance = naiveVarint(message, at);
    const seq = instance && naiveVarint(message, instance.next);
    if (instance === undefined || seq === undefined) return undefined;
    pairs.push({ instance: instance.value, seq: seq.value });
    at = seq.next;
  }
  return { kind: kind as ControlKind, epoch: head.epoch, connection: head.connection, pairs };
}

export function fuzz(data: Buffer): void {
  const seen = guarded(() => decodeControl(data));
  assert.deepEqual(refused(seen) ? undefined : seen, naive(data));
  if (refused(seen)) return;
  const again = encodeControl(seen.kind, seen.epoch, seen.connection, seen.pairs);
  assert.ok(again.length <= data.length, "our writing is the shortest");
  assert.deepEqual(decodeControl(again), seen);
}
