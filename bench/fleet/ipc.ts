/**
 * Talk between the bench and its processes: a question by its name, an answer, over Node's own channel. A process ends
 * when the bench does.
 */
import type { ChildProcess } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { eachLine, spawnChild, stopChild } from "../../test/support/children.js";
import { within } from "../../test/support/wait.js";

interface Question {
  id: number;
  ask: string;
  with: unknown;
}
interface Response {
  id: number;
  answer?: unknown;
  error?: string;
}

/** Milliseconds of the clock that all processes of a machine share, with fractions. */
export function clock(): number {
  // performance.now() would begin at each process's own start, and the distance cannot be read in one moment.
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Answers questions until the bench goes. Call it once in a process that Hand.start has begun. */
export function serve(handlers: Record<string, (request: never) => unknown>): void {
  process.on("message", async ({ id, ask, with: request }: Question) => {
    const response: Response = { id };
    try {
      response.answer = await handlers[ask]!(request as never);
    } catch (error) {
      response.error = String((error as Error).stack ?? error);
    }
    process.send?.(response);
  });
  process.on("disconnect", () => process.exit(0));
}

export class Hand {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (response: Response) => void>();
  readonly #log: string[] = [];
  #asked = 0;

  /** Starts a program of this directory. */
  constructor(readonly program: string) {
    const file = join(dirname(fileURLToPath(import.meta.url)), `${program}.js`);
    const stdio = ["ignore", "pipe", "pipe", "ipc"] as const;
    this.#child = spawnChild(process.execPath, ["--enable-source-maps", file], { stdio: [...stdio] });
    this.pid = this.#child.pid ?? 0;
    for (const stream of [this.#child.stdout, this.#child.stderr]) eachLine(stream, (line) => this.#log.push(line));
    this.#child.on("message", (response: Response) => this.#waiting.get(response.id)?.(response));
    this.#child.once("exit", (code) => {
      const error = `${program} ended with ${code}:\n${this.#log.join("\n")}`;
      for (const [id, answered] of this.#waiting) answered({ id, error });
    });
  }

  async ask<T>(ask: string, request: unknown = null, deadlineMs = 30_000): Promise<T> {
    const id = ++this.#asked;
    const response = new Promise<Response>((resolve) => this.#waiting.set(id, resolve));
    if (this.#child.connected) this.#child.send({ id, ask, with: request } satisfies Question);
    else this.#waiting.get(id)?.({ id, error: `${this.program} has ended:\n${this.#log.join("\n")}` });
    try {
      const { error, answer } = await within(`${this.program}: ${ask}`, response, deadlineMs);
      if (error !== undefined) throw new Error(error);
      return answer as T;
    } finally {
      this.#waiting.delete(id);
    }
  }

  async stop(): Promise<void> {
    await stopChild(this.#child, "SIGKILL");
  }
}
