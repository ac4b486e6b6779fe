/**
 * The processes that a test file started. However the file ends (done, thrown, SIGTERM of the runner at a timeout),
 * its servers and sidecars end with it.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";

const alive = new Set<ChildProcess>();
let hooked = false;

function killAll(): void {
  for (const child of alive) child.kill("SIGKILL");
  alive.clear();
}

function hook(): void {
  if (hooked) return;
  hooked = true;
  process.once("exit", killAll);
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ] as const) {
    process.once(signal, () => {
      // A program with an end of its own (the demo) stops its children itself.
      if (process.listenerCount(signal) > 0) return;
      killAll();
      process.exit(128 + number);
    });
  }
}

/** Spawns a program whose life is bounded by this process's. stdin is closed; stdout and stderr are pipes. */
export function spawnChild(file: string, args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  hook();
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
  alive.add(child);
  child.once("exit", () => alive.delete(child));
  child.once("error", () => alive.delete(child));
  return child;
}

/** Sends `signal`, and SIGKILL when the child is still there after `graceMs`. Resolves with its exit code. */
export function stopChild(
  child: ChildProcess,
  signal: NodeJS.Signals = "SIGTERM",
  graceMs = 15_000,
): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code);
    });
    child.kill(signal);
  });
}

/** Calls `onLine` for every whole line of a child's output stream. */
export function eachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (stream === null) return;
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}
