/**
 * The head that all messages between sidecars share: what the message is, whose it is, and where its sender listens.
 *
 * Five bytes in the usual case, because every frame that is not gathered with others pays them: the type in two bits
 * and the connection's number in the other six of one byte, then the epoch.
 */
import { type ByteReader, putVarint, varintSize } from "./bytes.js";

/** The low two bits of a message's first byte. "Marked": frames of which each says what room it is for. */
export const MessageType = { Marked: 0, Frames: 1, Control: 2, Chunk: 3 } as const;

const TYPE_MASK = 0x03;
/** In the upper six bits: a varint with the connection's number follows the epoch. */
const FOLLOWS = 63;

/** Largest epoch: 32 bits. */
export const MAX_EPOCH = 0xffff_ffff;

export interface MessageHead {
  type: number;
  /** The sender's incarnation, 32 bits. */
  epoch: number;
  /** The number of the sender's receiving connection, which is its inbox's. */
  connection: number;
}

/** The type of a message, or -1 for an empty one. */
export function typeOf(message: Buffer): number {
  return message.length === 0 ? -1 : message[0]! & TYPE_MASK;
}

export function headSize(connection: number): number {
  return connection < FOLLOWS ? 5 : 5 + varintSize(connection);
}

/** Writes a head at the beginning of `out`, which has room for headSize(connection); answers the offset after it. */
export function putHead(out: Buffer, type: number, epoch: number, connection: number): number {
  const short = connection < FOLLOWS;
  out[0] = type | ((short ? connection : FOLLOWS) << 2);
  const at = out.writeUInt32BE(epoch, 1);
  return short ? at : putVarint(out, at, connection);
}

/** Reads a head into `head`. Throws FrameError where the bytes do not suffice. */
export function readHead(reader: ByteReader, head: MessageHead): void {
  const first = reader.u8();
  head.type = first & TYPE_MASK;
  head.epoch = reader.u32();
  const connection = first >>> 2;
  head.connection = connection === FOLLOWS ? reader.varint() : connection;
}
