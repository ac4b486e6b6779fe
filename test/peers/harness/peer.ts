/**
 * A real Socket.IO app in a process of its own, as a test sees it: operations over its stdin and stdout (one JSON
 * object a line, see test/peers/python/control.py) and, where it serves clients, a port.
 */
import type { ChildProcess } from "node:child_process";
import { eachLine, spawnChild, stopChild } from "../../support/children.js";
import { within } from "../../support/wait.js";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a test asks of a peer: the operation's name and its arguments. */
export interface Request {
  op: string;
  [argument: string]: unknown;
}

export interface PeerCommand {
  file: string;
  args: readonly string[];
}

interface Pending {
  resolve(value: Json): void;
  reject(error: Error): void;
}

export class Peer {
  /** Where clients connect; undefined for a peer that only publishes. */
  url: string | undefined;
  /** Versions of the libraries that the peer runs on. */
  versions: Record<string, string> = {};
  /** What the peer wrote to stderr, one line an entry. */
  readonly logs: string[] = [];
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;
  private gone: Error | undefined;

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {}

  /** Starts the process and resolves when it says that it is ready. Throws with its output when it does not. */
  static async start(name: string, command: PeerCommand): Promise<Peer> {
    const child = spawnChild(command.file, command.args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1" },
    });
    const peer = new Peer(name, child);
    const ready = new Promise<void>((resolve, reject) => {
      eachLine(child.stdout, (line) => peer.heard(line, resolve));
      eachLine(child.stderr, (line) => peer.logs.push(line));
      child.once("error", reject);
      child.once("exit", (code) => {
        const error = new Error(`peer ${name} ended with ${code}:\n${peer.logs.slice(-30).join("\n")}`);
        peer.gone = error;
        for (const waiter of peer.pending.values()) waiter.reject(error);
        peer.pending.clear();
        reject(error);
      });
    });
    // A write to a peer that has just died must not end the test; its exit tells.
    child.stdin?.on("error", () => {});
    await within(`peer ${name} is ready`, ready, 30_000);
    return peer;
  }

  private heard(line: string, ready: () => void): void {
    const message = JSON.parse(line) as { id?: number; event?: string; value?: Json; error?: string; port?: number };
    if (message.event === "ready") {
      this.versions = (message as unknown as { versions: Record<string, string> }).versions;
      if (message.port) this.url = `http://127.0.0.1:${message.port}`;
      ready();
      return;
    }
    const waiter = this.pending.get(message.id ?? 0);
    if (waiter === undefined) return;
    this.pending.delete(message.id ?? 0);
    if (message.error === undefined) waiter.resolve(message.value ?? null);
    else waiter.reject(new Error(`${this.name}: ${message.error}`));
  }

  /** Performs one operation and resolves with its result. */
  call(request: Request): Promise<Json> {
    if (this.gone) return Promise.reject(this.gone);
    const id = ++this.lastId;
    const answer = new Promise<Json>((resolve, reject) => this.pending.set(id, { resolve, reject }));
    this.child.stdin?.write(`${JSON.stringify({ ...request, id })}\n`);
    return within(`${this.name} performs ${request.op}`, answer, 30_000);
  }

  /** Performs several operations, one after the other, without a round trip to the test in between. */
  async batch(steps: Request[]): Promise<void> {
    await this.call({ op: "batch", steps });
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    this.child.stdin?.end();
    await stopChild(this.child, "SIGTERM", 2_000);
  }
}
