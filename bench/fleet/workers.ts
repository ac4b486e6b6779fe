/**
 * Real workers with real browsers: python-socketio servers in processes of their own, one a pod and way, each with one
 * socket.io-client for each of the pod's users.
 */
import { once } from "node:events";
import { eachLine, spawnChild, stopChild } from "../../test/support/children.js";
import { type PythonVenv, python } from "../../test/support/python.js";
import { RespClient } from "../../test/support/resp-client.js";
import { inRoot } from "../../test/support/root.js";
import { eventually, within } from "../../test/support/wait.js";
import { type Way, ways } from "./figures.js";
import { type Fleet, type Line, SHARED_CHANNEL } from "./fleet.js";
import { Hand } from "./ipc.js";
import type { BrowseRequest } from "./jobs.js";

interface Counts {
  warm: number;
  emits: number;
}

export interface Worker {
  pid: number;
  /** Where browsers connect. */
  port: number;
  /** What it has received and decoded so far, without the warm-up's frames. */
  decoded(): Promise<number>;
  /** It has heard a warm-up frame. */
  warm(): Promise<boolean>;
  stop(): Promise<unknown>;
}

/** The workers of a fleet, both ways. */
export interface Crew {
  workers: Record<Way, Worker[]>;
  browsers: Hand;
  stop(): Promise<void>;
}

const VENV: PythonVenv = "py-new-redis8";

/** Starts a worker for each pod and way, waits until it hears, and connects the browsers of its pod's users. */
export async function startCrew(fleet: Fleet, users: (pod: number) => string[]): Promise<Crew> {
  const browsers = new Hand("browsers");
  const workers: Record<Way, Worker[]> = { direct: [], sidecar: [] };
  const stop = async () => {
    await Promise.all([browsers, ...workers.direct, ...workers.sidecar].map((one) => one.stop()));
  };
  try {
    for (const way of ways) {
      const line = fleet.line(way);
      for (const port of line.ports) workers[way].push(await startWorker(port));
      await warmUp(line, workers[way]);
      for (const [pod, { port }] of workers[way].entries()) {
        await browsers.ask("browse", { port, users: users(pod) } satisfies BrowseRequest);
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { workers, browsers, stop };
}

async function startWorker(upstream: number): Promise<Worker> {
  const file = inRoot("bench", "fleet", "worker.py");
  const child = spawnChild(python(VENV), [file, `redis://127.0.0.1:${upstream}/0`], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const errors: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  eachLine(child.stderr, (line) => errors.push(line));
  eachLine(child.stdout, (line) => waiting.shift()?.(line));
  const ended = once(child, "exit").then(([code]) => {
    throw new Error(`a worker ended with ${code}:\n${errors.join("\n")}`);
  });
  ended.catch(() => {});
  const line = async <T>(): Promise<T> => {
    const next = new Promise<string>((resolve) => waiting.push(resolve));
    return JSON.parse(await within("a worker's word", Promise.race([next, ended]), 30_000)) as T;
  };
  const counts = () => {
    const next = line<Counts>();
    child.stdin?.write("\n");
    return next;
  };
  try {
    const { port } = await line<{ port: number }>();
    return {
      pid: child.pid ?? 0,
      port,
      decoded: async () => (await counts()).emits,
      warm: async () => (await counts()).warm > 0,
      stop: () => stopChild(child, "SIGKILL"),
    };
  } catch (error) {
    await stopChild(child, "SIGKILL");
    throw error;
  }
}

const warmUpFrame = JSON.stringify({
  method: "emit",
  event: "warm_up",
  data: [{}],
  binary: false,
  namespace: "/",
  room: null,
  skip_sid: null,
  callback: null,
  host_id: "0".repeat(32),
});

/** Publishes frames for everybody until each worker of the line has heard one. */
async function warmUp(line: Line, workers: readonly Worker[]): Promise<void> {
  const client = await RespClient.connect({ port: line.ports[0]! });
  try {
    await eventually(
      "all workers hear",
      async () => {
        await client.command("PUBLISH", SHARED_CHANNEL, warmUpFrame);
        return (await Promise.all(workers.map((worker) => worker.warm()))).every((heard) => heard);
      },
      30_000,
      100,
    );
  } finally {
    await client.close();
  }
}

/** All frames but the warm-up's that the workers have decoded. */
export async function decodedBy(workers: readonly Worker[]): Promise<number> {
  const counts = await Promise.all(workers.map((worker) => worker.decoded()));
  return counts.reduce((sum, emits) => sum + emits, 0);
}
