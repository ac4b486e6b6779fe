/**
 * Opens connections to the upstream: finds the address, dials with a deadline, speaks TLS where asked.
 * Sessions and the trunk both dial here, so that all of them go to the same server.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { KeyframeError } from "../core/errors.js";

export interface Address {
  host: string;
  port: number;
}

/** Where the upstream is now. Asked anew for each dial, so that a moved name or master is found. */
export interface Resolver {
  resolve(): Promise<Address>;
  /** A dial to the last answer failed, or the server there is no longer the master. */
  invalidate(): void;
  close(): void;
}

export interface DialOptions {
  /** Deadline of one dial, TLS handshake included, milliseconds. */
  timeoutMs: number;
  /** TLS, or undefined for plain TCP. `ca` is PEM text; without it the system's store is used. */
  tls: { ca: string | undefined; serverName: string | undefined } | undefined;
}

export class Dialer {
  readonly #resolver: Resolver;
  readonly #options: DialOptions;

  constructor(resolver: Resolver, options: DialOptions) {
    this.#resolver = resolver;
    this.#options = options;
  }

  /**
   * A connected socket, without delay (TCP_NODELAY) and with keep-alive, that its owner must listen to at once.
   * @throws KeyframeError "upstream" when no connection could be made in time; its message names the address.
   */
  async connect(): Promise<Socket> {
    const address = await this.#resolver.resolve();
    return await new Promise<Socket>((resolve, reject) => {
      const secure = this.#options.tls;
      const base = { host: address.host, port: address.port, noDelay: true, keepAlive: true, allowHalfOpen: true };
      const socket =
        secure === undefined
          ? connectTcp(base)
          : connectTls({
              ...base,
              ...(secure.ca === undefined ? {} : { ca: secure.ca }),
              servername: secure.serverName ?? (/^[\d.:]+$/.test(address.host) ? "" : address.host),
            });
      const settle = (error: Error | undefined) => {
        clearTimeout(timer);
        socket.off("error", settle);
        if (error === undefined) {
          resolve(socket);
          return;
        }
        // The error of a socket that is being thrown away has been reported; a second one must not end the process.
        socket.on("error", () => {});
        socket.destroy();
        this.#resolver.invalidate();
        const where = `${address.host}:${address.port}`;
        reject(
          new KeyframeError("upstream", `upstream ${where} cannot be reached: ${error.message}`, { cause: error }),
        );
      };
      const timer = setTimeout(
        () => settle(new Error(`no connection within ${this.#options.timeoutMs} ms`)),
        this.#options.timeoutMs,
      );
      socket.once(secure === undefined ? "connect" : "secureConnect", () => settle(undefined));
      socket.once("error", settle);
    });
  }

  /** Somebody has reason to believe that the upstream's address is another one now. */
  suspect(_reason: string): void {
    this.#resolver.invalidate();
  }

  close(): void {
    this.#resolver.close();
  }
}

/** One fixed address; names are looked up anew at each dial, by the dial itself. */
export class StaticResolver implements Resolver {
  readonly #address: Address;

  constructor(address: Address) {
    this.#address = address;
  }

  async resolve(): Promise<Address> {
    return this.#address;
  }

  invalidate(): void {}

  close(): void {}
}
