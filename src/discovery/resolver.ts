/**
 * What the dialer asks: where the upstream is now. With Sentinel that can change under open connections, and can be
 * unsettled for a while; a fixed address is what it is.
 */
import { KeyframeError } from "../core/errors.js";
import type { Address } from "./address.js";

export interface Resolver {
  /** True where the upstream can move: then a failed dial is worth another one within the deadline. */
  readonly moves: boolean;
  /**
   * @throws Unsettled when it is worth asking again within the deadline of this dial
   * @throws KeyframeError "upstream" when it is not
   */
  resolve(): Promise<Address>;
  /** A dial to the last answer failed: it must be proved again. */
  invalidate(): void;
  /** Somebody saw that the server is not what it should be. Asks anew; tells `onMove` where the answer is another. */
  suspect(reason: string): void;
  /** Called with the new address as soon as the upstream is known to have moved. */
  onMove(moved: (to: Address) => void): void;
  close(): void;
}

/** The upstream cannot be used just now, as in the middle of a failover; a dial tries again while its time lasts. */
export class Unsettled extends KeyframeError {
  constructor(message: string, options?: ErrorOptions) {
    super("upstream", message, options);
    this.name = "Unsettled";
  }
}

/** One fixed address; names are looked up anew at each dial, by the dial itself. */
export class StaticResolver implements Resolver {
  readonly moves = false;
  readonly #address: Address;

  constructor(address: Address) {
    this.#address = address;
  }

  async resolve(): Promise<Address> {
    return this.#address;
  }

  invalidate(): void {}

  suspect(): void {}

  onMove(): void {}

  close(): void {}
}
