/**
 * NACKs: what a receiver writes to a sender's inbox when it lacks the base of a record.
 *
 * They are gathered and rate-limited elsewhere; here is only their form. Epoch and connection are the receiver's own:
 * they name its inbox, for answers that concern nobody else. Repairs go to everyone on the side channel.
 */
import { FrameError } from "../core/errors.js";
import { ByteReader, putVarint, varintSize } from "./bytes.js";
import { headSize, MessageType, putHead, readHead } from "./message.js";

/** "I lack the base of record `seq` of `instance`", both as that record named them. */
export interface Nack {
  instance: number;
  seq: number;
}

/** A control message with any number of NACKs for one sender; `epoch` (32 bits) and `connection` are the asking receiver's. */
export function encodeNacks(epoch: number, connection: number, nacks: readonly Nack[]): Buffer {
  let size = headSize(connection);
  for (const nack of nacks) size += varintSize(nack.instance) + varintSize(nack.seq);
  const out = Buffer.allocUnsafe(size);
  let at = putHead(out, MessageType.Nack, epoch, connection);
  for (const nack of nacks) at = putVarint(out, putVarint(out, at, nack.instance), nack.seq);
  return out;
}

/** Reads a control message; answers the asker's inbox (epoch and connection) and what it lacks. Throws FrameError where any part is malformed. */
export function decodeNacks(message: Buffer): { epoch: number; connection: number; nacks: Nack[] } {
  const reader = new ByteReader(message);
  const head = { type: 0, epoch: 0, connection: 0 };
  readHead(reader, head);
  if (head.type !== MessageType.Nack) throw new FrameError("not a control message");
  const nacks: Nack[] = [];
  while (reader.at < reader.end) nacks.push({ instance: reader.varint(), seq: reader.varint() });
  return { epoch: head.epoch, connection: head.connection, nacks };
}
