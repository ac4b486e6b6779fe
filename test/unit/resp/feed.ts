/**
 * Ways to hand bytes to a decoder: whole, byte by byte, cut at given places. Each piece gets memory of its own, as
 * each read of a socket does. Shared by the tests of `resp/`.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { defaultRespLimits, type RespLimits } from "../../../src/core/limits.js";
import { RequestDecoder } from "../../../src/resp/request.js";

/** Small limits, so that tests reach them with small inputs. */
export const tightLimits: RespLimits = { maxBulkBytes: 64, maxArgs: 8, maxDepth: 4, maxLineBytes: 48 };

export function bytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** `whole` cut at `cuts` (offsets in any order, repeats and offsets beyond the end allowed), in fresh memory. */
export function pieces(whole: Buffer, cuts: readonly number[]): Buffer[] {
  const ordered = cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b);
  const result: Buffer[] = [];
  let from = 0;
  for (const cut of [...ordered, whole.length]) {
    const piece = Buffer.allocUnsafeSlow(cut - from);
    whole.copy(piece, 0, from, cut);
    result.push(piece);
    from = cut;
  }
  return result;
}

export function byteByByte(whole: Buffer): Buffer[] {
  return pieces(
    whole,
    Array.from(whole, (_, i) => i),
  );
}

/** Random places to cut `length` bytes at. */
export function cuts(length: number): fc.Arbitrary<number[]> {
  return fc.array(fc.nat({ max: Math.max(1, length) }), { maxLength: 12 });
}

/** What a decoder said of one request. */
export interface SeenRequest {
  command: number;
  args: string[];
  raw: string;
}

export interface SeenRequests {
  requests: SeenRequest[];
  pendingBytes: number;
  error: string | undefined;
}

/** Runs the request decoder over `chunks` and notes everything it says, until the end or the first error. */
export function decodeRequests(chunks: readonly Buffer[], limits: RespLimits = defaultRespLimits): SeenRequests {
  const decoder = new RequestDecoder(limits);
  const requests: SeenRequest[] = [];
  try {
    for (const chunk of chunks) {
      decoder.write(chunk);
      while (decoder.next()) requests.push(noteRequest(decoder));
    }
  } catch (error) {
    return { requests, pendingBytes: 0, error: (error as Error).message };
  }
  return { requests, pendingBytes: decoder.pendingBytes, error: undefined };
}

export function noteRequest(decoder: RequestDecoder): SeenRequest {
  const args: string[] = [];
  for (let i = 0; i < decoder.argc; i++) args.push(decoder.arg(i).toString("latin1"));
  return { command: decoder.command, args, raw: Buffer.concat(decoder.raw()).toString("latin1") };
}

/** `*2\r\n$3\r\nGET\r\n…` of its arguments. */
export function request(...args: string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("")}`;
}

/** The error that `act` throws; fails when it throws none. */
export function errorOf(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("no error was thrown");
}

/** Bytes in use, heap and buffers, after a garbage collection. */
export function memoryInUse(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // Buffers are freed by a second collection where a finaliser of the first let go of them.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
