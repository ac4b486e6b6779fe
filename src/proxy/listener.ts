/**
 * Where apps connect: accepts, bounds the number of connections, and ends them all when the sidecar drains.
 */

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket } from "node:net";
import type { Counter, Meter } from "../core/ports.js";
import { errorReply } from "../resp/encoder.js";
import type { SessionContext } from "./context.js";
import { type CloseReason, Session } from "./session.js";

const REASONS: readonly CloseReason[] = [
  "app",
  "upstream",
  "protocol",
  "limit",
  "slow",
  "timeout",
  "refused",
  "shutdown",
  "error",
];

export class Listener {
  readonly #context: SessionContext;
  readonly #maxConnections: number;
  readonly #server: Server;
  readonly #sessions = new Set<Session>();
  readonly #accepted: Counter;
  readonly #closed = new Map<CloseReason, Counter>();
  #sweeper: NodeJS.Timeout | undefined;
  #drained: (() => void) | undefined;

  constructor(context: SessionContext, maxConnections: number, meter: Meter) {
    this.#context = context;
    this.#maxConnections = maxConnections;
    // Half-open: an app may close its sending half and still read what it has asked for.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
    this.#accepted = meter.counter("keyframe_connections_total");
    for (const reason of REASONS)
      this.#closed.set(reason, meter.counter("keyframe_connections_closed_total", { reason }));
    meter.gauge("keyframe_connections", () => this.#sessions.size);
    meter.gauge("keyframe_unread_bytes", () => {
      let bytes = 0;
      for (const session of this.#sessions) bytes += session.unreadBytes;
      return bytes;
    });
  }

  /** @returns where it listens, as host:port */
  async listen(host: string, port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port, backlog: 511 }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#server.on("error", (error) => this.#context.log.error("listener-error", { error: error.message }));
    this.#sweeper = setInterval(() => {
      const now = this.#context.clock.now();
      for (const session of this.#sessions) session.checkTimeout(now);
    }, 1_000);
    const address = this.#server.address() as AddressInfo;
    return address.family === "IPv6" ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
  }

  /** Takes no more connections. */
  stopAccepting(): void {
    this.#server.close();
  }

  /** Ends all connections after what has been answered is out; waits for them at most `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    clearInterval(this.#sweeper);
    this.stopAccepting();
    if (this.#sessions.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#drained = () => {
        clearTimeout(timer);
        resolve();
      };
      for (const session of [...this.#sessions]) session.closeWhenQuiet();
    });
    for (const session of [...this.#sessions]) session.close("shutdown");
  }

  #accept(socket: Socket): void {
    if (this.#sessions.size >= this.#maxConnections) {
      this.#context.limitHit("maxConnections");
      this.#closed.get("refused")!.inc();
      socket.on("error", () => {});
      socket.end(errorReply("ERR max number of clients reached"));
      socket.destroySoon();
      return;
    }
    this.#accepted.inc();
    const session = new Session(this.#context, socket, (closed, reason) => {
      this.#sessions.delete(closed);
      this.#closed.get(reason)!.inc();
      if (this.#sessions.size === 0) this.#drained?.();
    });
    this.#sessions.add(session);
  }
}
