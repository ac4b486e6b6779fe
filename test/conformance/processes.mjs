// Starts what the conformance run and the proxy benchmark measure: a server of their own and a sidecar in front of it.
// Plain Node, because both run without the test build. Every process gets a folder of its own and dies with the caller.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Missing, root, run, say, tail } from "../setup/lib.mjs";
import { setUpNodeModules } from "../setup/node-modules.mjs";

const main = join(root, "dist/main.js");
const children = new Set();
process.on("exit", () => {
  for (const child of children) signal(child, "SIGKILL");
});
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => process.exit(130));

/** Ends a child, and its own children too where it leads a process group. */
function signal(child, name) {
  if (!child.leadsGroup) {
    child.kill(name);
    return;
  }
  try {
    process.kill(-child.pid, name);
  } catch {
    // The group has ended by itself.
  }
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

/**
 * Starts a child that is killed with this process.
 *
 * @param {string} command the executable
 * @param {string[]} args its arguments
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, group?: boolean, onLine?: (line: string) => void }} [options]
 *   `onLine` hears stdout and stderr line by line; `group`: what the child starts is ended with it
 * @returns {{ pid: number, tail: string[], exited: Promise<number | null>, stop: () => Promise<void> }} `tail` holds the
 *   last 50 lines it wrote; `stop` asks with SIGTERM and insists after 15 s
 */
export function launch(command, args, options = {}) {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: options.group === true,
  });
  child.leadsGroup = options.group === true && child.pid !== undefined;
  children.add(child);
  const tail = [];
  const hear = (stream) => {
    let rest = "";
    stream.setEncoding("utf8").on("data", (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        tail.push(line);
        if (tail.length > 50) tail.shift();
        options.onLine?.(line);
      }
    });
  };
  hear(child.stdout);
  hear(child.stderr);
  const exited = new Promise((resolve) => {
    child.once("error", (error) => {
      tail.push(String(error));
      children.delete(child);
      resolve(null);
    });
    child.once("exit", (code) => {
      children.delete(child);
      if (child.leadsGroup) signal(child, "SIGKILL");
      resolve(code);
    });
  });
  const stop = async () => {
    if (!children.has(child)) return;
    signal(child, "SIGTERM");
    const insist = setTimeout(() => signal(child, "SIGKILL"), 15_000);
    await exited;
    clearTimeout(insist);
  };
  return { pid: child.pid ?? 0, tail, exited, stop };
}

/**
 * Waits until something accepts connections on a port of 127.0.0.1.
 *
 * @throws {Error} with the process's last lines when it exits first, or after 15 s
 */
export async function accepting(port, started, name) {
  const deadline = Date.now() + 15_000;
  let gone = false;
  started.exited.then(() => {
    gone = true;
  });
  while (!gone && Date.now() < deadline) {
    if (await canConnect(port)) return;
    await sleep(50);
  }
  throw new Error(`${name} does not accept connections on port ${port}:\n${started.tail.join("\n")}`);
}

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** A promise that resolves after `ms` milliseconds. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Starts a server without persistence, in a folder of its own.
 *
 * @param {{ server: string, env: NodeJS.ProcessEnv }} binaries from test/setup/server.mjs
 * @param {string[]} [more] further arguments of the server
 * @returns {Promise<{ port: number, pid: number, stop: () => Promise<void> }>}
 */
export async function startServer(binaries, more = []) {
  const dir = mkdtempSync(join(tmpdir(), "keyframe-server-"));
  const port = await freePort();
  const args = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--appendonly",
    "no",
    "--dir",
    dir,
    ...more,
  ];
  const started = launch(binaries.server, args, { cwd: dir, env: binaries.env });
  await accepting(port, started, binaries.server);
  const stop = async () => {
    await started.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  return { port, pid: started.pid, stop };
}

/**
 * Compiles src/ into dist/, after the packages that it needs have been brought in.
 *
 * @throws {Missing} when that leaves no dist/main.js
 */
export async function buildSidecar() {
  await setUpNodeModules();
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { code, output } = await run(process.execPath, [compiler, "-p", "tsconfig.json"], { cwd: root });
  if (code !== 0) say(`the compiler complains:\n${tail(output)}`);
  if (!existsSync(main)) throw new Missing("the build left no dist/main.js");
}

/**
 * Starts one sidecar (`node dist/main.js sidecar`) and waits until it says that it is ready.
 *
 * @param {number} upstreamPort the server's port on 127.0.0.1
 * @param {Record<string, string>} [env] further KEYFRAME_* settings
 * @returns {Promise<{ port: number, admin: string, pid: number, tail: string[], stop: () => Promise<void> }>}
 * @throws {Error} when the sidecar is not ready within 15 s
 */
export async function startSidecar(upstreamPort, env = {}) {
  let heard;
  const listening = new Promise((resolve) => {
    heard = resolve;
  });
  const started = launch(process.execPath, [main, "sidecar"], {
    env: {
      ...withoutOwnSettings(),
      KEYFRAME_LISTEN: "127.0.0.1:0",
      KEYFRAME_ADMIN: "127.0.0.1:0",
      KEYFRAME_UPSTREAM: `redis://127.0.0.1:${upstreamPort}/0`,
      // Suites that attach as replicas see every PUBLISH of the server, the sidecar's canaries too.
      KEYFRAME_CANARY: "5m",
      ...env,
    },
    onLine(line) {
      const entry = parseJson(line);
      if (entry?.event === "listening") heard({ listen: entry.listen, admin: entry.admin });
    },
  });
  const found = await Promise.race([listening, started.exited, sleep(15_000)]);
  if (found === null || typeof found !== "object") {
    await started.stop();
    throw new Error(`the sidecar did not start:\n${started.tail.join("\n")}`);
  }
  const deadline = Date.now() + 15_000;
  while (!(await isReady(found.admin))) {
    if (Date.now() > deadline) {
      await started.stop();
      throw new Error(`the sidecar did not become ready:\n${started.tail.join("\n")}`);
    }
    await sleep(50);
  }
  return {
    port: Number(found.listen.split(":").pop()),
    admin: found.admin,
    pid: started.pid,
    tail: started.tail,
    stop: started.stop,
  };
}

/** The environment without whatever KEYFRAME_* settings the caller's shell has. */
function withoutOwnSettings() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("KEYFRAME_")));
}

async function isReady(admin) {
  try {
    const answer = await fetch(`http://${admin}/readyz`);
    await answer.arrayBuffer();
    return answer.status === 200;
  } catch {
    return false;
  }
}

function parseJson(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
