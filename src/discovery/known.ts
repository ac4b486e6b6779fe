/**
 * The sentinels to ask and to listen to: those of the URL, which stay whatever happens, and those that sentinels
 * announce, which are bounded in number and dropped when they do not answer.
 */
import { type Address, showAddress } from "./address.js";

/** Announced sentinels that are kept at most; a deployment has 3 to 7. */
export const MAX_ANNOUNCED = 32;
/** An announced sentinel is dropped after this many questions that others answered and it did not. */
const PATIENCE = 5;
/** A dropped one that is still announced is not taken back sooner than this. */
const BANISHED_MS = 60_000;

interface Announced {
  address: Address;
  failures: number;
}

export class KnownSentinels {
  readonly #fixed: ReadonlyMap<string, Address>;
  readonly #announced = new Map<string, Announced>();
  readonly #dropped = new Map<string, number>();

  constructor(fixed: readonly Address[]) {
    this.#fixed = new Map(fixed.map((address) => [showAddress(address), address]));
  }

  /** Those of the URL first. */
  all(): Address[] {
    return [...this.#fixed.values(), ...[...this.#announced.values()].map((one) => one.address)];
  }

  /** Takes an announced one in. False where it is known already, was dropped lately, or there are too many. */
  learn(address: Address, now: number): boolean {
    const key = showAddress(address);
    if (this.#fixed.has(key) || this.#announced.has(key) || this.#announced.size >= MAX_ANNOUNCED) return false;
    const dropped = this.#dropped.get(key);
    if (dropped !== undefined && now - dropped < BANISHED_MS) return false;
    this.#dropped.delete(key);
    this.#announced.set(key, { address, failures: 0 });
    return true;
  }

  answered(address: Address): void {
    const one = this.#announced.get(showAddress(address));
    if (one !== undefined) one.failures = 0;
  }

  /**
   * It did not answer a question that another one did. Where nobody answers it is the network's fault, and the announced
   * ones may be all that is left when it mends.
   */
  failed(address: Address, now: number): void {
    const key = showAddress(address);
    const one = this.#announced.get(key);
    if (one === undefined || ++one.failures < PATIENCE) return;
    this.#announced.delete(key);
    this.#dropped.set(key, now);
    for (const oldest of this.#dropped.keys()) {
      if (this.#dropped.size <= MAX_ANNOUNCED) break;
      this.#dropped.delete(oldest);
    }
  }
}
