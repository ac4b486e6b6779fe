// Child processes, temporary directories and waits of the end-to-end run. Every process the run starts is
// registered here, and only those are ended, by pid, whatever way the run ends.

import { spawn } from "node:child_process";
import { createWriteStream, readFileSync, rmSync } from "node:fs";
import { chmod, mkdtemp } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Kernel clock ticks a second; 100 on every Linux that Node runs on. */
const TICKS = 100;

/** How long a process may take to end when it is told to. */
const GRACE_MS = 10_000;

const running = new Set();
const tools = new Set();
const directories = new Set();

/**
 * A fresh directory that is removed at the end of the run. Others may pass through it (0711), because PostgreSQL
 * runs as another user than the one who starts the run when that one is root.
 */
export async function temporaryDirectory(name) {
  const path = await mkdtemp(join(tmpdir(), `keyframe-e2e-${name}-`));
  directories.add(path);
  await chmod(path, 0o711);
  return path;
}

/**
 * Starts a process whose output goes to a file and, line by line, to `onLine`.
 *
 * @param {object} spec name, command, args, env, cwd, uid, gid, logFile, onLine(line), stopSignal (SIGTERM)
 * @returns {{ name, pid, exited: Promise<number|string>, stop(): Promise<void>, tail(): string }}
 */
export function start(spec) {
  const child = spawn(spec.command, spec.args, {
    cwd: spec.cwd,
    env: spec.env,
    uid: spec.uid,
    gid: spec.gid,
    // A group of its own: an interrupt from the keyboard reaches the run alone, which then ends all in order.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const file = createWriteStream(spec.logFile);
  const last = [];
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text) => {
      file.write(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        last.push(line);
        if (last.length > 40) last.shift();
        spec.onLine?.(line);
      }
    });
  }
  const handle = { name: spec.name, pid: child.pid, tail: () => last.join("\n") };
  running.add(handle);
  handle.exited = new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(code ?? signal));
  }).then((result) => {
    handle.result = result;
    running.delete(handle);
    file.end();
    return result;
  });
  handle.stop = async () => {
    if (!running.has(handle)) return;
    child.kill(spec.stopSignal ?? "SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    await handle.exited;
    clearTimeout(timer);
  };
  return handle;
}

/** Runs a command to its end. Resolves to its standard output; rejects with the end of its output when it fails. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      ...options,
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    tools.add(child);
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      err += text;
    });
    if (options.input !== undefined) child.stdin.end(options.input);
    child.once("error", reject);
    child.once("close", (code) => {
      tools.delete(child);
      if (code === 0) resolve(out);
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}:\n${(err || out).slice(-2000)}`));
    });
  });
}

/** Waits until `probe` gives a truthy value, and resolves to it. Ends early when `process` ends. */
export async function until(what, probe, { timeoutMs = 60_000, everyMs = 100, process: owner } = {}) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await Promise.resolve(probe()).catch(() => false);
    if (value) return value;
    if (owner?.result !== undefined) throw new Error(`${owner.name} ended with ${owner.result}:\n${owner.tail()}`);
    if (Date.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms in vain for ${what}${owner ? `:\n${owner.tail()}` : ""}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Rejects when `promise` has not settled after `timeoutMs`; `detail()` says what was there by then. */
export function within(timeoutMs, what, promise, detail = () => "") {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${timeoutMs} ms in vain for ${what} ${detail()}`)), timeoutMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Seconds of CPU (user and system) a live process has used so far; 0 where /proc is missing. */
export function cpuSeconds(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return 0;
  }
}

/** Resident memory of a live process in bytes; 0 where /proc is missing. */
export function residentBytes(pid) {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;
  } catch {
    return 0;
  }
}

/** Ends every process still running, the last started first, each as it wants to be ended. */
export async function stopEverything() {
  for (const tool of tools) tool.kill();
  for (const handle of [...running].reverse()) await handle.stop();
}

/** The last resort, without waiting: kills what still runs and removes every directory. */
export function endEverything() {
  for (const { pid } of running) {
    try {
      if (pid) process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself in the meantime.
    }
  }
  for (const tool of tools) tool.kill("SIGKILL");
  for (const path of directories) rmSync(path, { recursive: true, force: true });
}
