/** What the fuzz targets share: reading choices out of the fuzzer's bytes, cutting them into chunks, and judging errors. */
import assert from "node:assert/strict";
import { KeyframeError } from "../../src/core/errors.js";

/** A fuzz target: takes any bytes, returns where all is well, throws where something is not. */
export type Target = (data: Buffer) => void;

/** Reads choices from the front of the fuzzer's bytes; what is missing reads as 0. */
export class Input {
  #at = 0;

  constructor(private readonly data: Buffer) {}

  get left(): number {
    return this.data.length - this.#at;
  }

  u8(): number {
    return this.#at < this.data.length ? this.data[this.#at++]! : 0;
  }

  u16(): number {
    return this.u8() | (this.u8() << 8);
  }

  bytes(length: number): Buffer {
    const from = this.#at;
    this.#at = Math.min(this.data.length, from + length);
    return this.data.subarray(from, this.#at);
  }

  rest(): Buffer {
    return this.bytes(this.left);
  }
}

/** `whole` in pieces, each in memory of its own as each read of a socket is; cut at three places that `cuts` name. */
export function pieces(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const places = cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b);
  const result: Buffer[] = [];
  let from = 0;
  for (const to of [...places, whole.length]) {
    result.push(copy(whole.subarray(from, to)));
    from = to;
  }
  return result;
}

/** One piece a byte, up to a length where that takes no time worth talking of; two halves beyond. */
export function byteByByte(whole: Buffer): Buffer[] {
  if (whole.length > 600) return pieces(whole, [whole.length >> 1]);
  return Array.from(whole, (_, i) => copy(whole.subarray(i, i + 1)));
}

export function copy(bytes: Buffer): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}

/** The result of `act`, or the KeyframeError that it threw. Anything else that it throws is a finding. */
export function guarded<T>(act: () => T): T | KeyframeError {
  try {
    return act();
  } catch (error) {
    if (error instanceof KeyframeError) return error;
    throw error;
  }
}

export function refused(value: unknown): value is KeyframeError {
  return value instanceof KeyframeError;
}

/** Fails where two ways to the same thing came to different ends. Strings, so that comparing them costs little. */
export function agree(what: string, one: string, other: string): void {
  if (one !== other) assert.equal(other, one, what);
}
