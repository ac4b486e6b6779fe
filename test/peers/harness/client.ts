/**
 * A real socket.io-client beside a pod, which writes down everything it receives and answers what asks for an
 * answer. Events named `fence` and `probe` are the harness's own and not written down.
 */
import { io, type Socket } from "socket.io-client";
import { within } from "../../support/wait.js";
import { canonical, type Entry, lineOf } from "./transcript.js";

interface Seen {
  event: string;
  args: unknown[];
  asked: boolean;
}

export class Client {
  private seen: Seen[] = [];
  private readonly fences = new Map<string, number>();
  private readonly probes = new Set<string>();
  private waiters: { check(): boolean; resolve(): void }[] = [];
  /** Milliseconds before an answer is given; undefined: no answer at all. */
  answerAfter: number | undefined = 0;
  disconnected = false;
  /** The socket's id; kept after the end of the connection. */
  sid = "";

  private constructor(
    readonly name: string,
    readonly pod: string,
    readonly namespace: string,
    readonly socket: Socket,
  ) {
    socket.onAny((event: string, ...args: unknown[]) => this.receive(event, args));
    socket.on("disconnect", (reason) => {
      this.disconnected = true;
      this.seen.push({ event: "disconnect", args: [reason], asked: false });
      this.wake();
    });
  }

  /** Connects over WebSocket and resolves when the server has accepted. */
  static async connect(name: string, pod: string, url: string, namespace: string): Promise<Client> {
    const socket = io(url + namespace, {
      transports: ["websocket"],
      forceNew: true,
      reconnection: false,
      auth: { name },
    });
    const client = new Client(name, pod, namespace, socket);
    const connected = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("connect_error", reject);
    });
    await within(`client ${name} is connected`, connected);
    client.sid = socket.id ?? "";
    return client;
  }

  private receive(event: string, args: unknown[]): void {
    const last = args.at(-1);
    const ack = typeof last === "function" ? (args.pop() as (...answer: unknown[]) => void) : undefined;
    if (event === "fence") {
      const [{ from, number }] = args as [{ from: string; number: number }];
      this.fences.set(from, number);
    } else if (event === "probe") {
      this.probes.add((args[0] as { from: string }).from);
    } else {
      this.seen.push({ event, args, asked: ack !== undefined });
      if (ack !== undefined && this.answerAfter !== undefined) {
        const answer = { by: this.name, got: args[0] ?? null };
        if (this.answerAfter === 0) ack(answer);
        else setTimeout(ack, this.answerAfter, answer);
      }
    }
    this.wake();
  }

  private wake(): void {
    const woken = this.waiters.filter((waiter) => waiter.check());
    if (woken.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !woken.includes(waiter));
    for (const waiter of woken) waiter.resolve();
  }

  private when(what: string, check: () => boolean, deadlineMs?: number): Promise<void> {
    if (check()) return Promise.resolve();
    const held = new Promise<void>((resolve) => this.waiters.push({ check, resolve }));
    return within(`client ${this.name} ${what}`, held, deadlineMs);
  }

  /** Resolves when this client has received the given fence of that pod. */
  fence(from: string, number: number): Promise<void> {
    return this.when(`receives fence ${number} of ${from}`, () => (this.fences.get(from) ?? 0) >= number, 30_000);
  }

  /** Whether this client has ever heard a probe of that pod. */
  hears(from: string): boolean {
    return this.probes.has(from);
  }

  /** Resolves when the server has ended this client's connection. */
  ended(): Promise<void> {
    return this.when("is disconnected", () => this.disconnected);
  }

  /** Resolves when an event of that name has been received since the last `take`. */
  received(event: string): Promise<void> {
    return this.when(`receives ${event}`, () => this.seen.some((one) => one.event === event));
  }

  /** Emits to the server and resolves with its acknowledgement. */
  say(event: string, data: unknown): Promise<unknown> {
    return this.socket.timeout(10_000).emitWithAck(event, data);
  }

  /** Everything received since the last call, in canonical form. */
  take(names: ReadonlyMap<string, string>): Entry[] {
    const entries = this.seen.map(({ event, args, asked }) => ({
      line: lineOf(args),
      text: `${event}${asked ? "?" : ""} ${canonical(args, names)}`,
    }));
    this.seen = [];
    return entries;
  }

  close(): void {
    this.socket.off("disconnect");
    this.socket.disconnect();
  }
}
