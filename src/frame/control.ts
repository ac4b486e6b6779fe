/**
 * Control messages: what sidecars write to each other's inboxes, beside frames. All have one form, a kind and pairs of
 * (instance, seq). Epoch and connection are the writer's own: they name its inbox, for answers that concern nobody else.
 */
import { FrameError } from "../core/errors.js";
import { ByteReader, putVarint, varintSize } from "./bytes.js";
import { headSize, MessageType, putHead, readHead } from "./message.js";

export const ControlKind = {
  /** "I have record (instance, seq), but lack its base." */
  Nack: 1,
  /** "I was deaf for a while; of that instance I have rebuilt everything up to seq." */
  Hello: 2,
  /** A sidecar to itself: its number as the instance. Hearing it proves that the connection hears. */
  Canary: 3,
  /** "I have read message seq of transfer (as the instance), and what came before it." One pair. */
  Credit: 4,
  /** A sidecar to itself, by its script: the raw frame that follows at once is its own. Its number as the instance. */
  OwnRaw: 5,
} as const;
export type ControlKind = (typeof ControlKind)[keyof typeof ControlKind];

export interface Pair {
  instance: number;
  seq: number;
}

export interface ControlMessage {
  kind: ControlKind;
  epoch: number;
  connection: number;
  pairs: Pair[];
}

/** A control message for one inbox; `epoch` (32 bits) and `connection` are the writer's. */
export function encodeControl(kind: ControlKind, epoch: number, connection: number, pairs: readonly Pair[]): Buffer {
  let size = headSize(connection) + 1;
  for (const pair of pairs) size += varintSize(pair.instance) + varintSize(pair.seq);
  const out = Buffer.allocUnsafe(size);
  let at = putHead(out, MessageType.Control, epoch, connection);
  out[at++] = kind;
  for (const pair of pairs) at = putVarint(out, putVarint(out, at, pair.instance), pair.seq);
  return out;
}

/** Throws FrameError where any part is malformed, or of a kind that this version has not. */
export function decodeControl(message: Buffer): ControlMessage {
  const reader = new ByteReader(message);
  const head = { type: 0, epoch: 0, connection: 0 };
  readHead(reader, head);
  if (head.type !== MessageType.Control) throw new FrameError("not a control message");
  const kind = reader.u8();
  if (kind < ControlKind.Nack || kind > ControlKind.OwnRaw) throw new FrameError("a control message of no known kind");
  const pairs: Pair[] = [];
  while (reader.at < reader.end) pairs.push({ instance: reader.varint(), seq: reader.varint() });
  return { kind: kind as ControlKind, epoch: head.epoch, connection: head.connection, pairs };
}
