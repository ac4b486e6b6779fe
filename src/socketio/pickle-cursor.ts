/**
 * Steps over the opcodes of a pickle without unpickling it: the reading half of the pickle dialect.
 *
 * It keeps the memo for short strings near the start, because a key or a room that occurred before is written as a
 * reference to it. One instance is reused for every frame, and the bytes are let go after each.
 */
import { equals } from "./parts.js";

/** Opcodes that are stepped over from the start. */
export const MAX_STEPS = 256;
const MEMO_ENTRIES = 96;

/** The opcodes by the names of Python's `pickletools`. */
export const Op = {
  Mark: 0x28,
  Stop: 0x2e,
  BinFloat: 0x47,
  BinInt: 0x4a,
  BinInt1: 0x4b,
  BinInt2: 0x4d,
  None: 0x4e,
  BinUnicode: 0x58,
  EmptyList: 0x5d,
  Append: 0x61,
  Appends: 0x65,
  BinGet: 0x68,
  LongBinGet: 0x6a,
  BinPut: 0x71,
  LongBinPut: 0x72,
  SetItem: 0x73,
  SetItems: 0x75,
  EmptyDict: 0x7d,
  Proto: 0x80,
  True: 0x88,
  False: 0x89,
  Long1: 0x8a,
  ShortBinUnicode: 0x8c,
  BinUnicode8: 0x8d,
  Memoize: 0x94,
  Frame: 0x95,
} as const;

/** Bytes of argument per opcode: 0 … 8 fixed, L1/L4/L8 a length of that size and then as many bytes, 255 not supported. */
const L1 = 101;
const L4 = 104;
const L8 = 108;
const UNSUPPORTED = 255;
const argument = new Uint8Array(256).fill(UNSUPPORTED);
for (const op of "(.NsuaetbR)]}012o") argument[op.charCodeAt(0)] = 0;
for (const op of [0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8f, 0x90, 0x91, 0x92, 0x93, Op.Memoize]) argument[op] = 0;
argument[Op.BinInt1] = 1;
argument[Op.BinInt2] = 2;
argument[Op.BinInt] = 4;
argument[Op.BinFloat] = 8;
argument[Op.BinGet] = 1;
argument[Op.BinPut] = 1;
argument[Op.LongBinGet] = 4;
argument[Op.LongBinPut] = 4;
argument[Op.Frame] = 8;
for (const op of [Op.ShortBinUnicode, 0x43, 0x55, Op.Long1]) argument[op] = L1; // and SHORT_BINBYTES, SHORT_BINSTRING, LONG1
for (const op of [Op.BinUnicode, 0x42, 0x54, 0x8b]) argument[op] = L4; // and BINBYTES, BINSTRING, LONG4
for (const op of [Op.BinUnicode8, 0x8e, 0x96]) argument[op] = L8; // and BINBYTES8, BYTEARRAY8

const nothing = Buffer.alloc(0);

/** A walk over one pickle. */
export class PickleCursor {
  bytes: Buffer = nothing;
  pos = 0;
  /** Opcodes stepped over; the walk ends at {@link MAX_STEPS}. */
  steps = 0;
  /** The opcode stepped over last, and where it lies, with its argument and without its memo opcode. */
  op = 0;
  start = 0;
  end = 0;
  /** Its text, if it is a str or a reference to a known one; text = -1 if not. */
  text = -1;
  textEnd = -1;
  /** It was a reference into the memo. */
  reference = false;
  /** The bytes ended within an opcode or before STOP: this is no whole pickle. */
  broken = false;
  /** Next index of the memo; -1 = not known any more. */
  memoNext = 0;
  readonly #memoStart = new Int32Array(MEMO_ENTRIES);
  readonly #memoEnd = new Int32Array(MEMO_ENTRIES);

  /** Begins at the first opcode behind the protocol's two bytes. */
  open(bytes: Buffer): void {
    this.bytes = bytes;
    this.pos = 2;
    this.steps = 0;
    this.memoNext = 0;
    this.text = -1;
    this.broken = false;
  }

  /** Lets the bytes go. */
  close(): void {
    this.bytes = nothing;
  }

  u32(at: number): number {
    const b = this.bytes;
    return b[at]! + b[at + 1]! * 0x100 + b[at + 2]! * 0x10000 + b[at + 3]! * 0x1000000;
  }

  /** Moves past a frame header (two in a row are no pickler's). @returns the next opcode, undefined at the end */
  peek(): number | undefined {
    if (this.bytes[this.pos] === Op.Frame) this.pos += 9;
    return this.bytes[this.pos];
  }

  /**
   * Steps over one opcode and the memo opcode behind it.
   * @returns false: end of bytes, an opcode that no message of python-socketio holds, or too many of them
   */
  step(): boolean {
    if (++this.steps > MAX_STEPS) return false;
    const op = this.peek();
    if (op === undefined) {
      this.broken = true;
      return false;
    }
    const b = this.bytes;
    const end = b.length;
    const at = this.pos;
    const size = argument[op]!;
    let start = at + 1;
    let length = size;
    if (size > 8) {
      if (size === UNSUPPORTED) return false;
      start += size - 100;
      if (start > end) {
        this.broken = true;
        return false;
      }
      if (size === L1) length = b[at + 1]!;
      else if (size === L4 || this.u32(at + 5) === 0) length = this.u32(at + 1);
      else return false;
    }
    if (length > end - start) {
      this.broken = true;
      return false;
    }
    this.op = op;
    this.start = at;
    this.end = start + length;
    this.text = -1;
    this.textEnd = -1;
    this.reference = false;
    this.pos = start + length;
    if (op === Op.ShortBinUnicode || op === Op.BinUnicode || op === Op.BinUnicode8) {
      this.text = start;
      this.textEnd = this.pos;
    } else if (op === Op.BinGet || op === Op.LongBinGet) {
      const index = op === Op.BinGet ? b[start]! : this.u32(start);
      this.reference = true;
      if (index < this.memoNext && index < MEMO_ENTRIES) {
        this.text = this.#memoStart[index]!;
        this.textEnd = this.#memoEnd[index]!;
      }
    }
    this.absorbMemo();
    return true;
  }

  /** Steps over the memo opcode that belongs to the value before it, if there is one. */
  absorbMemo(): void {
    const b = this.bytes;
    let at = this.pos;
    if (b[at] === Op.Frame) at += 9;
    const c = b[at];
    if (c === Op.Memoize) {
      this.#remember(this.memoNext);
      this.pos = at + 1;
    } else if (c === Op.BinPut && at + 2 <= b.length) {
      this.#remember(b[at + 1]!);
      this.pos = at + 2;
    } else if (c === Op.LongBinPut && at + 5 <= b.length) {
      this.#remember(this.u32(at + 1));
      this.pos = at + 5;
    }
  }

  /** Keeps the place of the text. Picklers number the memo in order; from an entry that does not, none is trusted. */
  #remember(index: number): void {
    if (index !== this.memoNext || index < 0) {
      this.memoNext = -1;
      return;
    }
    this.memoNext++;
    if (index < MEMO_ENTRIES) {
      this.#memoStart[index] = this.text;
      this.#memoEnd[index] = this.textEnd;
    }
  }

  /** @returns whether STOP was stepped over */
  ended(): boolean {
    return this.op === Op.Stop;
  }

  /** Steps over a str that must be `expected`. */
  word(expected: Buffer): boolean {
    return this.step() && this.textIs(expected);
  }

  /** @returns whether the value stepped over last is the str `expected` */
  textIs(expected: Buffer): boolean {
    return this.text >= 0 && equals(this.bytes, this.text, this.textEnd, expected);
  }

  /** @returns whether the opcode stepped over last is a value by itself */
  isScalar(): boolean {
    if (this.text >= 0 || this.reference) return true;
    switch (this.op) {
      case Op.None:
      case Op.True:
      case Op.False:
      case Op.BinInt:
      case Op.BinInt1:
      case Op.BinInt2:
      case Op.BinFloat:
      case Op.Long1:
        return true;
      default:
        return false;
    }
  }
}
