/**
 * Finds the master through Sentinel: the first sentinel that answers names it. Addresses are not remembered beyond one
 * dial, so that the next dial after a failover asks again.
 */
import { Redis } from "ioredis";
import { KeyframeError } from "../core/errors.js";
import type { Log } from "../core/ports.js";
import type { Address, Resolver } from "./dialer.js";

export interface SentinelOptions {
  nodes: readonly Address[];
  /** Name of the master group; case matters, as it does to Sentinel. */
  master: string;
  username: string | undefined;
  password: string | undefined;
  /** Deadline for one sentinel's answer, milliseconds. */
  timeoutMs: number;
}

export class SentinelResolver implements Resolver {
  readonly #options: SentinelOptions;
  readonly #log: Log;
  #nodes: Address[];

  constructor(options: SentinelOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.#nodes = [...options.nodes];
  }

  /** @throws KeyframeError "upstream" when no sentinel names a master; the message says what each of them answered. */
  async resolve(): Promise<Address> {
    const answers: string[] = [];
    for (const node of [...this.#nodes]) {
      const where = `${node.host}:${node.port}`;
      try {
        const address = await this.#ask(node);
        if (address !== undefined) {
          // The sentinel that answered is asked first next time.
          this.#nodes = [node, ...this.#nodes.filter((other) => other !== node)];
          return address;
        }
        answers.push(`${where} does not know master "${this.#options.master}"`);
      } catch (error) {
        answers.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    this.#log.warn("sentinel-unresolved", { master: this.#options.master, answers });
    throw new KeyframeError("upstream", `no sentinel names a master: ${answers.join("; ")}`);
  }

  invalidate(): void {}

  close(): void {}

  async #ask(node: Address): Promise<Address | undefined> {
    const { username, password, timeoutMs, master } = this.#options;
    const client = new Redis({
      host: node.host,
      port: node.port,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      lazyConnect: true,
      enableReadyCheck: false,
      connectTimeout: timeoutMs,
      commandTimeout: timeoutMs,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    // ioredis reports connection faults here as well as to the call; the call is the one that counts.
    client.on("error", () => {});
    try {
      await client.connect();
      const reply = await client.call("SENTINEL", "get-master-addr-by-name", master);
      if (!Array.isArray(reply) || reply.length < 2) return undefined;
      return { host: String(reply[0]), port: Number(reply[1]) };
    } finally {
      client.disconnect();
    }
  }
}
