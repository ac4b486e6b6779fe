/**
 * Varints and a bounds-checked reader: the alphabet in which hunks, records and control messages are written.
 *
 * Everything that arrives on a side channel is read through `ByteReader`, so that no malformed length can move a
 * read outside its buffer: what does not fit is a FrameError, and nothing else is ever thrown.
 */
import { FrameError } from "../core/errors.js";

/** Longest encoding that is accepted, bytes. Eight groups of seven bits hold every safe integer. */
export const MAX_VARINT_BYTES = 8;

/** How many bytes `value` (0 to 2^53-1) takes as an unsigned LEB128 varint. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let size = 5;
  for (let rest = Math.floor(value / 0x8_0000_0000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes `value` (0 to 2^53-1) in its shortest form at `offset`; answers the offset after it. Needs room for varintSize(value). */
export function putVarint(out: Buffer, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  // Above 31 bits the shift operators would cut the number, so the high groups go by division.
  while (rest > 0x7fff_ffff) {
    out[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest > 0x7f) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}

/** Reads forward in `buf` up to `end`. Every method throws FrameError where the bytes do not suffice or do not form a value. */
export class ByteReader {
  buf: Buffer;
  at: number;
  end: number;

  constructor(buf: Buffer) {
    this.buf = buf;
    this.at = 0;
    this.end = buf.length;
  }

  u8(): number {
    if (this.at >= this.end) throw truncated();
    return this.buf[this.at++]!;
  }

  u24(): number {
    const at = this.skip(3);
    const buf = this.buf;
    return (buf[at]! << 16) | (buf[at + 1]! << 8) | buf[at + 2]!;
  }

  u32(): number {
    const at = this.skip(4);
    const buf = this.buf;
    return buf[at]! * 0x100_0000 + ((buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!);
  }

  /** An unsigned LEB128 varint of at most 8 bytes and at most 2^53-1. */
  varint(): number {
    const { buf, end } = this;
    let at = this.at;
    if (at >= end) throw truncated();
    let byte = buf[at++]!;
    let value = byte & 0x7f;
    let scale = 0x80;
    const last = at - 1 + MAX_VARINT_BYTES;
    while (byte > 0x7f) {
      if (at === last) throw new FrameError("varint longer than 8 bytes");
      if (at >= end) throw truncated();
      byte = buf[at++]!;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    }
    // A sum past 2^53 may have been rounded, but never to less than 2^53.
    if (value > Number.MAX_SAFE_INTEGER) throw new FrameError("varint above 2^53-1");
    this.at = at;
    return value;
  }

  /** Steps over `length` bytes; answers the offset where they begin. */
  skip(length: number): number {
    const at = this.at;
    if (length > this.end - at) throw truncated();
    this.at = at + length;
    return at;
  }
}

function truncated(): FrameError {
  return new FrameError("ends in the middle of a value");
}
