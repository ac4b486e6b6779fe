/**
 * Chunks: how a message of frames that is too large for one PUBLISH travels. spec.md, section 9, is the authority.
 *
 * The opening holds the message up to the body of its only record; the chunks behind it hold that body, in order. Each is
 * deflated by itself, so that neither side ever packs or unpacks more than one chunk at once, however large the frame.
 */
import { deflateRaw } from "node:zlib";
import { FrameError } from "../core/errors.js";
import { ByteReader, putVarint, varintSize } from "./bytes.js";
import { headSize, MessageType, putHead, readHead } from "./message.js";
import { inflate } from "./whole.js";

/** What stands behind the index. */
export const ChunkForm = { Opening: 0, Plain: 1, Deflated: 2 } as const;
export type ChunkForm = (typeof ChunkForm)[keyof typeof ChunkForm];

/** Most bytes of the body in one chunk. */
export const MAX_CHUNK_BYTES = 1024 * 1024;

export interface ChunkMessage {
  /** The sender's, and the number of its inbox. */
  readonly epoch: number;
  readonly connection: number;
  /** A counter of the sender's, never used again within its epoch. */
  readonly transfer: number;
  /** 0 for the opening, then one more for each message. */
  readonly index: number;
  readonly form: ChunkForm;
  /** Bytes of the body: of all of it in the opening, of this part in a chunk. */
  readonly length: number;
  /** The opening: the message without its body. A chunk: its part of the body, as it travelled. A view of the message. */
  readonly rest: Buffer;
}

/** A part of the body, ready to travel. */
export interface PackedChunk {
  readonly form: ChunkForm;
  /** Bytes of the body that it holds. */
  readonly length: number;
  readonly rest: Buffer;
}

/** The epoch is 32 bits; all others are counters or lengths. */
export function encodeChunk(
  epoch: number,
  connection: number,
  transfer: number,
  index: number,
  { form, length, rest }: PackedChunk,
): Buffer {
  const said = form === ChunkForm.Plain ? 0 : varintSize(length);
  const out = Buffer.allocUnsafe(
    headSize(connection) + varintSize(transfer) + varintSize(index) + 1 + said + rest.length,
  );
  let at = putHead(out, MessageType.Chunk, epoch, connection);
  at = putVarint(out, at, transfer);
  at = putVarint(out, at, index);
  out[at++] = form;
  if (form !== ChunkForm.Plain) at = putVarint(out, at, length);
  rest.copy(out, at);
  return out;
}

/** Throws FrameError where any part is malformed. What `rest` holds is not looked at. */
export function decodeChunk(message: Buffer): ChunkMessage {
  const reader = new ByteReader(message);
  const head = { type: 0, epoch: 0, connection: 0 };
  readHead(reader, head);
  if (head.type !== MessageType.Chunk) throw new FrameError("not a chunk");
  const transfer = reader.varint();
  const index = reader.varint();
  const form = reader.u8();
  if (form > ChunkForm.Deflated) throw new FrameError("a chunk of no known form");
  if ((form === ChunkForm.Opening) !== (index === 0)) throw new FrameError("an opening in the wrong place");
  const named = form === ChunkForm.Plain ? 0 : reader.varint();
  const rest = message.subarray(reader.at);
  const length = form === ChunkForm.Plain ? rest.length : named;
  if (form !== ChunkForm.Opening && length > MAX_CHUNK_BYTES) throw new FrameError("a chunk above the limit");
  const { epoch, connection } = head;
  return { epoch, connection, transfer, index, form: form as ChunkForm, length, rest };
}

/** A part of the body as it is: shared, not copied. */
export function plainChunk(part: Buffer): PackedChunk {
  return { form: ChunkForm.Plain, length: part.length, rest: part };
}

/**
 * A part of the body, deflated in libuv's thread pool where that makes it smaller. `part` must not change until it
 * settles. Never rejects: what zlib refuses goes as it is.
 */
export function packChunk(part: Buffer): Promise<PackedChunk> {
  return new Promise((resolve) => {
    deflateRaw(part, { level: 1, memLevel: 9, chunkSize: 64 * 1024 }, (error, deflated) => {
      const smaller = error === null && deflated.length < part.length;
      resolve(smaller ? { form: ChunkForm.Deflated, length: part.length, rest: deflated } : plainChunk(part));
    });
  });
}

/**
 * The part of the body that a chunk holds, of exactly `length` bytes: a view of the message, or fresh memory. Throws
 * FrameError where it holds more or less, or is damaged. At most about 2 ms.
 */
export function unpackChunk({ form, length, rest }: PackedChunk): Buffer {
  if (form !== ChunkForm.Deflated) return rest;
  const part = inflate(rest, length, Math.min(length + 1, 64 * 1024));
  if (part.length !== length) throw new FrameError("a chunk of another length than it names");
  return part;
}
