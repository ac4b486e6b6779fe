/**
 * The sidecar under test, as its users run it: `node dist/main.js sidecar` in a process of its own, seen only through
 * its ports, its log lines and its metrics.
 */
import type { ChildProcess } from "node:child_process";
import { eachLine, spawnChild, stopChild } from "./children.js";
import { inRoot } from "./root.js";
import { eventually } from "./wait.js";

export interface Sidecar {
  port: number;
  /** What an app's WEBSOCKET_REDIS_URL would be. */
  url: string;
  adminUrl: string;
  pid: number;
  /** Resolves when GET /readyz answers 200. */
  ready(deadlineMs?: number): Promise<void>;
  /** Every sample of /metrics, keyed as rendered: `name{label="value",…}`. */
  metrics(): Promise<Map<string, number>>;
  /** Sum of the samples of `name` that carry all of `labels`; 0 when there is none. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  /** Lines of stdout and stderr so far. */
  logs: string[];
  /** Resolves with the first log line whose `event` is the given one, also one that was logged before. */
  logged(event: string, deadlineMs?: number): Promise<Record<string, unknown>>;
  /** Resolves with the exit code (null when a signal ended it). */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface SidecarOptions {
  /** redis://… of the server, or whatever KEYFRAME_UPSTREAM takes. */
  upstream: string;
  /** KEYFRAME_* and other variables on top of the defaults. */
  env?: Record<string, string>;
  /** Further words on the command line. */
  args?: string[];
  /** Another build than dist/main.js, as where fleets of two versions are shown. */
  main?: string;
}

function parseLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** The environment without the tester's own KEYFRAME_* settings. */
export function cleanEnv(): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries(process.env)) {
    if (value !== undefined && !key.startsWith("KEYFRAME_")) env[key] = value;
  }
  return env;
}

/** Parses the text exposition format into samples keyed as rendered. */
export function parseMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const space = line.lastIndexOf(" ");
    samples.set(line.slice(0, space), Number(line.slice(space + 1).replace("Inf", "Infinity")));
  }
  return samples;
}

/** Sums the samples of `name` whose labels include all of `labels`. */
export function sumSamples(samples: Map<string, number>, name: string, labels: Record<string, string> = {}): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  let sum = 0;
  for (const [key, value] of samples) {
    const brace = key.indexOf("{");
    if ((brace === -1 ? key : key.slice(0, brace)) !== name) continue;
    const own = brace === -1 ? [] : key.slice(brace + 1, -1).split(/,(?=[a-zA-Z_]+=")/);
    if (wanted.every((label) => own.includes(label))) sum += value;
  }
  return sum;
}

/** What the image gives its process beside KEYFRAME_* (Dockerfile). */
const IMAGE_ENV = { NODE_OPTIONS: "--max-semi-space-size=2", MALLOC_ARENA_MAX: "1" };

/** Starts a sidecar on free ports. Resolves when it listens; call `ready()` for its upstream. */
export async function startSidecar(options: SidecarOptions): Promise<Sidecar> {
  const child = spawnChild(
    process.execPath,
    ["--enable-source-maps", options.main ?? inRoot("dist", "main.js"), "sidecar", ...(options.args ?? [])],
    {
      env: {
        ...cleanEnv(),
        ...IMAGE_ENV,
        KEYFRAME_LISTEN: "127.0.0.1:0",
        KEYFRAME_ADMIN: "127.0.0.1:0",
        KEYFRAME_UPSTREAM: options.upstream,
        ...options.env,
      },
    },
  );
  const logs: string[] = [];
  const events = new Map<string, Record<string, unknown>>();
  const listening = new Promise<{ listen: string; admin: string }>((resolve, reject) => {
    const give = setTimeout(() => reject(new Error(`the sidecar does not listen:\n${logs.join("\n")}`)), 20_000);
    const onLine = (line: string) => {
      logs.push(line);
      const entry = parseLine(line);
      const event = entry?.event;
      if (entry === undefined || typeof event !== "string") return;
      if (!events.has(event)) events.set(event, entry);
      if (event === "listening") {
        clearTimeout(give);
        resolve({ listen: String(entry.listen), admin: String(entry.admin) });
      }
    };
    eachLine(child.stdout, onLine);
    eachLine(child.stderr, onLine);
    child.once("exit", (code) => {
      clearTimeout(give);
      reject(new Error(`the sidecar ended with ${code}:\n${logs.join("\n")}`));
    });
  });
  let at: { listen: string; admin: string };
  try {
    at = await listening;
  } catch (error) {
    await stopChild(child, "SIGKILL");
    throw error;
  }
  return sidecarOf(child, at, logs, events);
}

function sidecarOf(
  child: ChildProcess,
  at: { listen: string; admin: string },
  logs: string[],
  events: Map<string, Record<string, unknown>>,
): Sidecar {
  const adminUrl = `http://${at.admin}`;
  const metrics = async () => {
    const response = await fetch(`${adminUrl}/metrics`);
    return parseMetrics(await response.text());
  };
  return {
    port: Number(at.listen.slice(at.listen.lastIndexOf(":") + 1)),
    url: `redis://${at.listen}`,
    adminUrl,
    pid: child.pid ?? 0,
    logs,
    async ready(deadlineMs = 15_000) {
      await eventually(
        "the sidecar is ready",
        async () => {
          const response = await fetch(`${adminUrl}/readyz`);
          await response.arrayBuffer();
          return response.status === 200;
        },
        deadlineMs,
      );
    },
    metrics,
    metric: async (name, labels) => sumSamples(await metrics(), name, labels),
    logged: (event, deadlineMs = 10_000) =>
      eventually(`the sidecar logs ${event}`, () => events.get(event), deadlineMs),
    async stop(signal = "SIGTERM") {
      child.kill("SIGCONT");
      return stopChild(child, signal);
    },
  };
}
