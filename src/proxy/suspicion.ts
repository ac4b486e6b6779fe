/**
 * Errors that say something of the server or of the connection, rather than of the request: this is no master, or not
 * ready (READONLY, LOADING, MASTERDOWN); or the app has spoken nonsense, and its connection ends (a protocol error).
 * Looked for in every error reply of an app connection, which passes unchanged; compared as bytes, no string is made.
 */

const HEADS = [
  ["READONLY", Buffer.from("-READONLY ")],
  ["LOADING", Buffer.from("-LOADING ")],
  ["MASTERDOWN", Buffer.from("-MASTERDOWN ")],
  ["Protocol error", Buffer.from("-ERR Protocol error")],
] as const;
export type SuspiciousError = (typeof HEADS)[number][0];

const HEAD_BYTES = Math.max(...HEADS.map(([, head]) => head.length));

export class Suspicion {
  /** The beginning of an error that a chunk's end has cut. */
  readonly #head = Buffer.alloc(HEAD_BYTES);
  #length = 0;

  /** Keeps the beginning of an error whose end is still to come. */
  begin(chunk: Buffer, start: number, continued: boolean): void {
    if (!continued) this.#length = 0;
    this.#length += chunk.copy(this.#head, this.#length, start);
  }

  /** What the error in `chunk[start, end)`, or what of it came before, says; undefined for every other error. */
  of(chunk: Buffer, start: number, end: number, continued: boolean): SuspiciousError | undefined {
    if (!continued) return errorIn(chunk, start, end);
    this.#length += chunk.copy(this.#head, this.#length, start, end);
    return errorIn(this.#head, 0, this.#length);
  }
}

function errorIn(bytes: Buffer, start: number, end: number): SuspiciousError | undefined {
  for (const [error, head] of HEADS) {
    if (end - start >= head.length && bytes.compare(head, 0, head.length, start, start + head.length) === 0)
      return error;
  }
  return undefined;
}
