/**
 * What an app connection has made of itself by requests that a new upstream half can be told again: kept as their bytes,
 * with the app's own credentials where it showed some, and said in their order.
 */

/** What a request says of its connection; a HELLO can say several things at once. */
export const Aspect = {
  Protocol: 1,
  Credentials: 2,
  Database: 4,
  Name: 8,
  LibraryName: 16,
  LibraryVersion: 32,
} as const;

/** What RESET leaves as it is: which library speaks does not change with it. */
const KEPT_BY_RESET = Aspect.LibraryName | Aspect.LibraryVersion;

/** A longer request is not kept: its connection is then bound to its upstream half. */
export const MAX_REPLAYED_BYTES = 64 * 1024;

interface Said {
  readonly aspects: number;
  readonly request: Buffer;
}

export class Replay {
  #said: Said[] = [];

  /** The server has agreed to this request. What it says again in full need not be said before it. */
  remember(aspects: number, request: Buffer): void {
    this.#said = this.#said.filter((earlier) => (earlier.aspects & ~aspects) !== 0);
    this.#said.push({ aspects, request });
  }

  /** RESET. */
  reset(): void {
    this.#said = this.#said.filter((earlier) => (earlier.aspects & ~KEPT_BY_RESET) === 0);
  }

  says(aspect: number): boolean {
    return this.#said.some((said) => (said.aspects & aspect) !== 0);
  }

  /** True where the server is told who we are before anything else. */
  get introducesItself(): boolean {
    return ((this.#said[0]?.aspects ?? 0) & Aspect.Credentials) !== 0;
  }

  get empty(): boolean {
    return this.#said.length === 0;
  }

  requests(): Buffer[] {
    return this.#said.map((said) => said.request);
  }
}
