/**
 * Opens connections to the upstream: finds the address, dials with a deadline, speaks TLS where asked.
 * Sessions and the trunk both dial here, so that all of them go to the same server; and when the master has moved, every
 * connection that was given out to another address is ended here, so that nobody stays with a demoted master.
 */
import type { Socket } from "node:net";
import { KeyframeError } from "../core/errors.js";
import { type Address, sameAddress, showAddress } from "./address.js";
import { isPermanent, openSocket, type TlsOptions } from "./open.js";
import { type Resolver, Unsettled } from "./resolver.js";

export type { Address } from "./address.js";
export { type Resolver, StaticResolver } from "./resolver.js";

export interface DialOptions {
  /** Deadline of one dial, everything included: asking where, TLS handshake, further tries. Milliseconds. */
  timeoutMs: number;
  /** TLS, or undefined for plain TCP. */
  tls: TlsOptions | undefined;
}

const RETRY_MIN_MS = 40;
const RETRY_MAX_MS = 400;

export class Dialer {
  readonly #resolver: Resolver;
  readonly #options: DialOptions;
  /** Sockets that are being dialled or were given out, until they close. */
  readonly #sockets = new Map<Socket, Address>();
  /** Dials that wait for their next try. */
  readonly #waiting = new Set<() => void>();
  /** Where the upstream has moved to, once it has. */
  #moved: Address | undefined;
  #closed = false;

  constructor(resolver: Resolver, options: DialOptions) {
    this.#resolver = resolver;
    this.#options = options;
    resolver.onMove((to) => this.#move(to));
  }

  /**
   * A connected socket, without delay (TCP_NODELAY) and with keep-alive, that its owner must listen to at once. Where
   * the upstream can move, a refused dial is tried again, at the address that holds then, until the deadline.
   * @throws KeyframeError "upstream" when no connection could be made in time; its message names the address.
   */
  async connect(): Promise<Socket> {
    const deadline = performance.now() + this.#options.timeoutMs;
    for (let pause = RETRY_MIN_MS; ; pause = Math.min(pause * 2, RETRY_MAX_MS)) {
      try {
        return await this.#attempt(deadline);
      } catch (error) {
        // Jitter, so that the connections of a pod do not come back in one burst.
        const wait = pause * (0.5 + Math.random());
        if (this.#closed || !(error instanceof Unsettled) || performance.now() + wait > deadline) throw error;
        await this.#pause(wait);
      }
    }
  }

  /**
   * Somebody saw -READONLY, -LOADING or -MASTERDOWN, or a silent connection: asks anew where the master is. If it is
   * another one now, the connections to the old one end. Cheap to call often; does nothing for a fixed address.
   */
  suspect(reason: string): void {
    if (!this.#closed) this.#resolver.suspect(reason);
  }

  /** Ends all there is, also dials under way and connections that were given out. */
  close(): void {
    this.#closed = true;
    this.#resolver.close();
    for (const wake of [...this.#waiting]) wake();
    for (const socket of [...this.#sockets.keys()]) socket.destroy();
  }

  async #attempt(deadline: number): Promise<Socket> {
    if (this.#closed) throw new KeyframeError("upstream", "the sidecar is ending");
    const address = await this.#resolve(deadline);
    let socket: Socket;
    try {
      const left = Math.max(1, deadline - performance.now());
      socket = await openSocket(
        address,
        this.#options.tls,
        this.#resolver.moves ? left : this.#options.timeoutMs,
        (one) => {
          this.#sockets.set(one, address);
          one.once("close", () => this.#sockets.delete(one));
          if (this.#closed) one.destroy();
        },
      );
    } catch (error) {
      this.#resolver.invalidate();
      const message = `upstream ${showAddress(address)} cannot be reached: ${(error as Error).message}`;
      if (this.#resolver.moves && !isPermanent(error)) throw new Unsettled(message, { cause: error });
      throw new KeyframeError("upstream", message, { cause: error });
    }
    // The master may have moved in the very tick in which the socket was connected.
    if (socket.destroyed || (this.#moved !== undefined && !sameAddress(this.#moved, address))) {
      socket.destroy();
      throw new Unsettled(`upstream ${showAddress(address)} is no longer the master`);
    }
    // Whoever ends a connection may have become something else: the next dial does not rely on what was proved before.
    socket.once("end", () => this.#resolver.invalidate());
    socket.once("error", () => this.#resolver.invalidate());
    return socket;
  }

  /** The resolver's answer, within the dial's own deadline. */
  async #resolve(deadline: number): Promise<Address> {
    if (!this.#resolver.moves) return await this.#resolver.resolve();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `the upstream's master was not found within ${this.#options.timeoutMs} ms`;
      timer = setTimeout(
        () => reject(new KeyframeError("upstream", message)),
        Math.max(1, deadline - performance.now()),
      );
    });
    try {
      return await Promise.race([this.#resolver.resolve(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends early when the upstream has moved, and when all ends. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
    });
  }

  #move(to: Address): void {
    this.#moved = to;
    for (const [socket, address] of [...this.#sockets]) if (!sameAddress(address, to)) socket.destroy();
    for (const wake of [...this.#waiting]) wake();
  }
}
