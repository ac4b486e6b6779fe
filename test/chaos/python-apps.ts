/** Python's part of the fleet's apps: redis-py and python-socketio in processes of their own. */
import type { ChildProcess } from "node:child_process";
import { eachLine, spawnChild, stopChild } from "../support/children.js";
import { python } from "../support/python.js";
import { inRoot } from "../support/root.js";
import type { Ear, Model } from "./model.js";
import type { Answer, PublishingApp } from "./pool.js";

function start(script: string, args: readonly string[], onLine: (line: string) => void, log: string[]): ChildProcess {
  const file = inRoot("test", "chaos", script);
  const child = spawnChild(python("py-new-redis8"), [file, ...args], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin?.on("error", () => {});
  eachLine(child.stdout, onLine);
  eachLine(child.stderr, (line) => log.push(line));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  await stopChild(child, "SIGTERM", 3_000);
}

/** A python-socketio subscriber of one channel. */
export class PythonEar {
  readonly log: string[] = [];
  readonly listening: Promise<void>;
  readonly #child: ChildProcess;

  constructor(ear: Ear, model: Model, url: string, channel: string, now: () => number) {
    let first: (() => void) | undefined;
    this.listening = new Promise((resolve) => {
      first = resolve;
    });
    const onLine = (line: string) => {
      if (line.startsWith("M ")) model.heard(ear, channel, line.slice(2), now());
      else if (line === "S") {
        ear.subscribed(channel, now());
        first?.();
      } else if (line.startsWith("L") && ear.listens(channel, now())) model.lostEar(ear, now(), line.slice(2));
    };
    this.#child = start("ear.py", [url, channel], onLine, this.log);
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}

export class PythonPublisher implements PublishingApp {
  readonly log: string[] = [];
  readonly ready: Promise<void>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<string, (answer: Answer) => void>();
  #count = 0;

  constructor(
    readonly name: string,
    url: string,
  ) {
    let began: (() => void) | undefined;
    this.ready = new Promise((resolve) => {
      began = resolve;
    });
    const onLine = (line: string) => {
      const [, number, outcome, text] = /^(\d+) (ok|error|unsure|late) ?(.*)$/.exec(line) ?? [];
      if (number === undefined) {
        if (line === "ready") began?.();
        return;
      }
      this.#waiting.get(number)?.({ outcome: outcome as Answer["outcome"], text: text ?? "" });
      this.#waiting.delete(number);
    };
    this.#child = start("publisher.py", [url], onLine, this.log);
    this.#child.once("exit", () => {
      for (const settle of this.#waiting.values()) settle({ outcome: "unsure", text: "the publisher has ended" });
    });
  }

  publish(channel: string, payload: Buffer): Promise<Answer> {
    const number = String(++this.#count);
    this.#child.stdin?.write(`${number} ${channel} ${payload.toString("base64")}\n`);
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  letGo(): void {
    this.#child.stdin?.write("let-go\n");
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}

const TICK_MS = 50;

/** What a probe has seen in a span of time. */
export interface Deafness {
  /** Longest time in which nothing was heard, less the interval; seconds. */
  seconds: number;
  /** Ticks that were published and not heard. */
  lost: number;
  /** Ticks whose publication was given up. */
  refused: number;
}

/** Ticks from one app to another, by which it is measured how long an app is deaf. */
export class Probe {
  readonly log: string[] = [];
  readonly listening: Promise<void>;
  readonly #child: ChildProcess;
  readonly #heardAt: number[] = [];
  readonly #published = new Map<number, number>();
  readonly #refused: number[] = [];
  readonly #heard = new Set<number>();

  constructor(from: string, to: string, channel: string, now: () => number) {
    let first: (() => void) | undefined;
    this.listening = new Promise((resolve) => {
      first = resolve;
    });
    const onLine = (line: string) => {
      const number = Number(line.slice(2));
      if (line[0] === "P") this.#published.set(number, now());
      else if (line[0] === "E") this.#refused.push(now());
      else if (line[0] === "H") {
        this.#heardAt.push(now());
        this.#heard.add(number);
        first?.();
      }
    };
    this.#child = start("probe.py", [from, to, channel, String(TICK_MS)], onLine, this.log);
  }

  /** When the first tick was heard behind this time; undefined while none was. */
  heardAfter(at: number): number | undefined {
    return this.#heardAt.find((time) => time > at);
  }

  between(from: number, to: number): Deafness {
    const before = this.#heardAt.filter((at) => at <= from).at(-1) ?? from;
    const times = [before, ...this.#heardAt.filter((at) => at > from && at <= to), to];
    let longest = 0;
    for (let i = 1; i < times.length; i++) longest = Math.max(longest, times[i]! - times[i - 1]!);
    const within = (at: number) => at > from && at <= to;
    let lost = 0;
    for (const [number, at] of this.#published) if (within(at) && !this.#heard.has(number)) lost++;
    return {
      seconds: Math.max(0, longest - TICK_MS) / 1000,
      lost,
      refused: this.#refused.filter(within).length,
    };
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}
