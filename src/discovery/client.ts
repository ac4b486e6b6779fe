/**
 * Short conversations with sentinels and servers over ioredis: one connection, one deadline for all of it, nothing
 * retried, re-sent or reconnected behind our back, and errors without the command they belong to (AUTH is one).
 */
import { Redis } from "ioredis";
import { type Address, showAddress } from "./address.js";
import { secureOptions, type TlsOptions } from "./open.js";

export interface Login {
  username: string | undefined;
  password: string | undefined;
  /** Where the server refuses it, go on as nobody. */
  optional?: boolean | undefined;
}

export interface ClientOptions extends Login {
  tls: TlsOptions | undefined;
  /** Deadline of a whole conversation, milliseconds. */
  timeoutMs: number;
}

/** No answer within the deadline, as opposed to a refusal. */
export class SilentError extends Error {}

export class Clients {
  readonly #options: ClientOptions;
  readonly #open = new Set<Redis>();
  #closed = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /**
   * Connects, authenticates, and lets `talk` say what it has to; the connection ends with it.
   * @throws Error that says what went wrong: SilentError past the deadline, else with the `code` of the cause, if any
   */
  async converse<T>(address: Address, talk: (client: Redis) => Promise<T>): Promise<T> {
    const client = this.#client(address);
    try {
      return await this.#introduced(client, address, talk);
    } finally {
      this.#drop(client);
    }
  }

  /** As `converse`, but the connection stays, until `ended` is called or `close`; its owner disconnects it. */
  async connect(address: Address, ended: () => void, talk: (client: Redis) => Promise<void>): Promise<Redis> {
    const client = this.#client(address);
    try {
      await this.#introduced(client, address, talk);
      // It may have ended in the tick in which it was ready.
      if (client.status !== "ready") throw new Error("the connection was closed");
    } catch (error) {
      this.#drop(client);
      throw error;
    }
    client.once("end", ended);
    return client;
  }

  /** Waits for `promise` as long as a conversation may last. */
  async within<T>(promise: Promise<T>): Promise<T> {
    const { timeoutMs } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new SilentError(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    this.#closed = true;
    for (const client of [...this.#open]) client.disconnect();
  }

  #drop(client: Redis): void {
    client.disconnect();
    this.#open.delete(client);
  }

  #client({ host, port }: Address): Redis {
    const { tls } = this.#options;
    const client = new Redis({
      host,
      port,
      ...(tls === undefined ? {} : { tls: secureOptions(tls, host) }),
      // HELLO, CLIENT SETINFO and INFO are more than the least that an ACL may allow.
      protocol: 2,
      disableClientInfo: true,
      enableReadyCheck: false,
      lazyConnect: true,
      connectTimeout: this.#options.timeoutMs,
      // A peer that does not answer our end is not waited for.
      disconnectTimeout: 100,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
    });
    this.#open.add(client);
    client.once("end", () => this.#open.delete(client));
    return client;
  }

  async #introduced<T>(client: Redis, address: Address, talk: (client: Redis) => Promise<T>): Promise<T> {
    // ioredis says why a connection failed here, and to the caller only that it is closed.
    let cause: Error | undefined;
    client.on("error", (error: Error) => {
      cause ??= error;
    });
    try {
      if (this.#closed) throw new Error("the sidecar is ending");
      return await this.within(
        (async () => {
          await client.connect();
          await this.#authenticate(client);
          return await talk(client);
        })(),
      );
    } catch (error) {
      if (error instanceof SilentError) throw error;
      const told = error as NodeJS.ErrnoException;
      const reason = (/^Connection is closed/.test(told.message) ? cause : told) ?? told;
      const code = (reason as NodeJS.ErrnoException).code;
      // A new error: ioredis leaves the command with its arguments on the old one.
      throw Object.assign(new Error(reason.message || `no connection to ${showAddress(address)}`), { code });
    }
  }

  async #authenticate(client: Redis): Promise<void> {
    const { username, password, optional } = this.#options;
    if (password === undefined) return;
    try {
      await client.call("AUTH", username === undefined ? [password] : [username, password]);
    } catch (error) {
      // A password more than is asked for is no reason to stay away.
      if (optional && /^(WRONGPASS|ERR)\b/.test((error as Error).message)) return;
      if (!/without any password configured|no password is set/i.test((error as Error).message)) throw error;
    }
  }
}
