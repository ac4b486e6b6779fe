/** Chunks: any bytes say what a naive reader of the specification reads, or both refuse them; a part is as long as it says. */
import assert from "node:assert/strict";
import { inflateRawSync } from "node:zlib";
import {
  type ChunkForm,
  type ChunkMessage,
  decodeChunk,
  encodeChunk,
  MAX_CHUNK_BYTES,
  unpackChunk,
} from "../../../src/frame/chunk.js";
import { guarded, refused } from "../input.js";
import { naiveHead, naiveVarint } from "../naive.js";

function naive(message: Buffer): ChunkMessage | undefined {
  const head = naiveHead(message);
  if (head === undefined || head.type !== 3) return undefined;
  const transfer = naiveVarint(message, head.next);
  const index = transfer && naiveVarint(message, transfer.next);
  if (transfer === undefined || index === undefined || index.next >= message.length) return undefined;
  const form = message[index.next]!;
  if (form > 2 || (form === 0) !== (index.value === 0)) return undefined;
  const at = index.next + 1;
  const length = form === 1 ? { value: message.length - at, next: at } : naiveVarint(message, at);
  if (length === undefined || (form !== 0 && length.value > MAX_CHUNK_BYTES)) return undefined;
  return {
    epoch: head.epoch,
    connection: head.connection,
    transfer: transfer.value,
    index: index.value,
    form: form as ChunkForm,
    length: length.value,
    rest: message.subarray(length.next),
  };
}

function naivePart({ form, length, rest }: ChunkMessage): Buffer | undefined {
  if (form !== 2) return rest;
  try {
    const { buffer, engine } = inflateRawSync(rest, { info: true }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return engine.bytesWritten === rest.length && buffer.length === length ? buffer : undefined;
  } catch {
    return undefined;
  }
}

export function fuzz(data: Buffer): void {
  const seen = guarded(() => decodeChunk(data));
  const expected = naive(data);
  assert.deepEqual(refused(seen) ? undefined : seen, expected);
  if (refused(seen)) return;
  const again = encodeChunk(seen.epoch, seen.connection, seen.transfer, seen.index, seen);
  assert.ok(again.length <= data.length, "our writing is the shortest");
  assert.deepEqual(decodeChunk(again), seen);
  if (seen.form === 0) return;
  const part = guarded(() => unpackChunk(seen));
  assert.deepEqual(refused(part) ? undefined : part, naivePart(seen));
}
