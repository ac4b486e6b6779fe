/**
 * Hears sentinels say that the master has moved: one subscribed connection to every known sentinel, made again when it is
 * lost. What is heard is a reason to ask, not yet the truth: one sentinel may be behind the others.
 */
import type { Redis } from "ioredis";
import { type Address, addressOf, showAddress } from "./address.js";
import type { Clients } from "./client.js";

export interface WatchOwner {
  /** A sentinel says that our master, by its exact name, has moved. */
  switched(): void;
  /** A sentinel has found another one that watches our master. */
  announced(address: Address): void;
  /** A sentinel is heard from now on; what it said before may have been missed. */
  hearing(): void;
}

export interface WatchOptions {
  master: string;
  /** A subscribed connection is asked for a sign of life this often, milliseconds. */
  pingMs: number;
  backoffMinMs: number;
  backoffMaxMs: number;
}

export class SentinelWatch {
  readonly #clients: Clients;
  readonly #options: WatchOptions;
  readonly #owner: WatchOwner;
  readonly #ears = new Map<string, Ear>();

  constructor(clients: Clients, options: WatchOptions, owner: WatchOwner) {
    this.#clients = clients;
    this.#options = options;
    this.#owner = owner;
  }

  /** How many sentinels are being heard. */
  get connected(): number {
    let count = 0;
    for (const ear of this.#ears.values()) if (ear.connected) count++;
    return count;
  }

  /** Listens to these, and to nobody else. */
  follow(nodes: readonly Address[]): void {
    const wanted = new Map(nodes.map((node) => [showAddress(node), node]));
    for (const [key, ear] of this.#ears) {
      if (wanted.has(key)) continue;
      ear.close();
      this.#ears.delete(key);
    }
    for (const [key, node] of wanted) {
      if (!this.#ears.has(key)) this.#ears.set(key, new Ear(this.#clients, node, this.#options, this.#owner));
    }
  }

  close(): void {
    this.follow([]);
  }
}

/** The connection to one sentinel. */
class Ear {
  connected = false;
  readonly #clients: Clients;
  readonly #node: Address;
  readonly #options: WatchOptions;
  readonly #owner: WatchOwner;
  #client: Redis | undefined;
  #timer: NodeJS.Timeout | undefined;
  #attempt = 0;
  #closed = false;

  constructor(clients: Clients, node: Address, options: WatchOptions, owner: WatchOwner) {
    this.#clients = clients;
    this.#node = node;
    this.#options = options;
    this.#owner = owner;
    void this.#listen();
  }

  close(): void {
    this.#closed = true;
    this.connected = false;
    clearTimeout(this.#timer);
    this.#client?.disconnect();
  }

  async #listen(): Promise<void> {
    try {
      const client = await this.#clients.connect(
        this.#node,
        () => this.#lost(),
        async (fresh) => {
          fresh.on("message", (channel: string, text: string) => this.#heard(channel, text));
          await fresh.subscribe("+switch-master", "+sentinel");
        },
      );
      if (this.#closed) {
        client.disconnect();
        return;
      }
      this.#client = client;
      this.connected = true;
      this.#attempt = 0;
      this.#owner.hearing();
      this.#timer = setTimeout(() => void this.#ping(client), this.#options.pingMs);
    } catch {
      // Why a sentinel does not answer is said by the questions, which go to the same ones.
      this.#again();
    }
  }

  /** TCP alone does not say that the other end is gone. */
  async #ping(client: Redis): Promise<void> {
    try {
      await this.#clients.within(client.ping());
      if (!this.#closed) this.#timer = setTimeout(() => void this.#ping(client), this.#options.pingMs);
    } catch {
      // Its end is heard, and the connection made again.
      client.disconnect();
    }
  }

  #lost(): void {
    this.connected = false;
    this.#client = undefined;
    this.#again();
  }

  #again(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const { backoffMinMs, backoffMaxMs } = this.#options;
    const ceiling = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.#attempt++, 16));
    this.#timer = setTimeout(() => void this.#listen(), ceiling * (0.5 + Math.random() / 2));
  }

  #heard(channel: string, text: string): void {
    if (this.#closed) return;
    const words = text.split(" ");
    if (channel === "+switch-master") {
      // <name> <old host> <old port> <new host> <new port>
      if (words[0] === this.#options.master) this.#owner.switched();
      return;
    }
    // sentinel <id> <host> <port> @ <master name> <host> <port>
    const address = addressOf(words[2], words[3]);
    if (words[5] === this.#options.master && address !== undefined) this.#owner.announced(address);
  }
}
