/**
 * A TCP proxy that does harm on command: cuts connections, stops the bytes, delays them, refuses new connections or
 * sends them elsewhere. It stands between a sidecar and its server, or between an app and its sidecar.
 */
import { connect, createServer, type Socket } from "node:net";

/** "up" is from the client to the target, "down" the other way. */
export type Direction = "up" | "down";

export interface ProxiedConnection {
  /** Counts from 1 in the order of accepting. */
  readonly id: number;
  /** Where it comes from as the target sees it. */
  readonly port: number;
  readonly bytes: Record<Direction, number>;
  /** The first 4 KiB that the client sent: enough to tell a subscriber from a publisher. */
  readonly opening: string;
  /** Whether these bytes occur in what the client has sent in its first 4 KiB (case-insensitive). */
  sent(text: string): boolean;
}

export interface FaultProxy {
  port: number;
  url: string;
  /** Open connections, oldest first. */
  connections(): ProxiedConnection[];
  /** Resets connections on both sides (all, or those that `which` names). Returns how many. */
  cut(which?: (connection: ProxiedConnection) => boolean): number;
  /** Holds bytes back in one direction or both (of all connections, or of those that `which` names); nothing is lost. */
  pause(direction?: Direction, which?: (connection: ProxiedConnection) => boolean): void;
  resume(): void;
  /** Every chunk from now on arrives this much later, in both directions; the order stays, so does the throughput. */
  delay(ms: number): void;
  /** While true, new connections are reset at once. */
  refuse(on: boolean): void;
  /** New connections go to this port. Open ones stay where they are. */
  retarget(port: number): void;
  stop(): Promise<void>;
}

/** Bytes that may wait in one direction before its sender is held back. */
const readAhead = 4 * 1024 * 1024;

interface Link extends ProxiedConnection {
  client: Socket;
  target: Socket;
  head: Buffer;
  /** Both sides are being reset: nobody else may end them. */
  cut: boolean;
}

/**
 * A reset, where nothing has been ended yet. Node 20 loses a socket that is destroyed between the two, or reset while its
 * end is under way, and then spins for ever when the process ends.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded || socket.destroyed) socket.destroy();
  else socket.resetAndDestroy();
}

export interface FaultProxyOptions {
  target: number;
  /** Makes, for each connection, what changes the target's bytes on their way to the client. */
  rewrite?: () => (chunk: Buffer) => Buffer;
}

/** Starts a proxy on a free port of 127.0.0.1 in front of a port of 127.0.0.1. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  let target = options.target;
  let refusing = false;
  let delayMs = 0;
  const paused: Record<Direction, boolean> = { up: false, down: false };
  let pausing: (connection: ProxiedConnection) => boolean = () => true;
  const links = new Set<Link>();
  /** Wakes chunks that wait behind a pause. */
  let wakers: (() => void)[] = [];
  let ids = 0;

  /**
   * Copies one direction in order. Reading runs ahead of writing, so that a delay shifts the bytes in time without
   * making the line narrower; a chunk behind a pause waits for its end.
   */
  const copy = async (from: Socket, to: Socket, direction: Direction, link: Link): Promise<void> => {
    const rewritten = direction === "down" ? options.rewrite?.() : undefined;
    let written = Promise.resolve();
    let waiting = 0;
    const write = async (chunk: Buffer, due: number): Promise<void> => {
      const early = due - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
      while (paused[direction] && pausing(link) && !from.destroyed)
        await new Promise<void>((resolve) => wakers.push(resolve));
      waiting -= chunk.length;
      if (to.destroyed || to.write(chunk)) return;
      await new Promise<void>((resolve) => {
        to.once("drain", resolve);
        to.once("close", resolve);
      });
    };
    try {
      for await (const read of from as AsyncIterable<Buffer>) {
        const chunk = rewritten?.(read) ?? read;
        link.bytes[direction] += chunk.length;
        if (direction === "up" && link.head.length < 4096) {
          link.head = Buffer.concat([link.head, chunk]).subarray(0, 4096);
        }
        const due = performance.now() + delayMs;
        waiting += chunk.length;
        written = written.then(() => write(chunk, due));
        if (waiting > readAhead || delayMs === 0) await written;
      }
      await written;
      // An end is held back like any byte: a pause hides that the other side has closed.
      while (paused[direction] && pausing(link) && !to.destroyed)
        await new Promise<void>((resolve) => wakers.push(resolve));
      if (!link.cut) to.end();
    } catch {
      if (!link.cut) to.destroy();
    }
  };

  const wake = () => {
    const waiting = wakers;
    wakers = [];
    for (const resolve of waiting) resolve();
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on("error", () => {});
    if (refusing) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ port: target, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    upstream.on("error", () => !link.cut && client.destroy());
    const link: Link = {
      cut: false,
      id: ++ids,
      get port() {
        return upstream.localPort ?? 0;
      },
      bytes: { up: 0, down: 0 },
      head: Buffer.alloc(0),
      client,
      target: upstream,
      get opening() {
        return this.head.toString("latin1");
      },
      sent(text) {
        return this.head.toString("latin1").toLowerCase().includes(text.toLowerCase());
      },
    };
    links.add(link);
    const gone = () => {
      if (client.destroyed && upstream.destroyed) links.delete(link);
      wake();
    };
    client.once("close", gone);
    upstream.once("close", gone);
    void copy(client, upstream, "up", link);
    void copy(upstream, client, "down", link);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;

  const cut = (which: (connection: ProxiedConnection) => boolean = () => true): number => {
    let count = 0;
    for (const link of [...links].filter(which)) {
      links.delete(link);
      link.cut = true;
      reset(link.client);
      reset(link.target);
      count++;
    }
    wake();
    return count;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    connections: () => [...links],
    cut,
    pause(direction, which = () => true) {
      pausing = which;
      if (direction !== "down") paused.up = true;
      if (direction !== "up") paused.down = true;
    },
    resume() {
      paused.up = false;
      paused.down = false;
      wake();
    },
    delay(ms) {
      delayMs = ms;
    },
    refuse(on) {
      refusing = on;
    },
    retarget(next) {
      target = next;
    },
    async stop() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cut();
      await closed;
    },
  };
}
