/**
 * What the set-up scripts share. Plain Node without packages: they run on a clean clone, before `npm ci`.
 * Everything they fetch lies in .cache/ inside the project; nothing is installed into the system unless a step says so.
 */
import { spawn } from "node:child_process";
import { accessSync, constants, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const cache = join(root, ".cache");

export const isRoot = process.getuid?.() === 0;

/** Says what is missing and how to get it; the entry point prints it without a stack and ends with code 1. */
export class Missing extends Error {}

/** One line of progress, so that a slow first run explains itself. */
export function say(text) {
  process.stderr.write(`set-up: ${text}\n`);
}

/** Full path of a program in PATH, or undefined. */
export function which(name) {
  for (const dir of (process.env.PATH ?? "").split(delimiter)) {
    if (dir === "") continue;
    const path = join(dir, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/**
 * Runs a program to its end, stdin closed.
 * Returns { code, output } with stdout and stderr together; a program that cannot be started has code -1.
 */
export function run(file, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    const parts = [];
    child.stdout.on("data", (part) => parts.push(part));
    child.stderr.on("data", (part) => parts.push(part));
    child.on("error", (error) => resolve({ code: -1, output: String(error) }));
    child.on("close", (code) => resolve({ code: code ?? -1, output: Buffer.concat(parts).toString("utf8") }));
  });
}

/** The last lines of a program's output, for a message. */
export function tail(output, lines = 12) {
  return output.trimEnd().split("\n").slice(-lines).join("\n");
}

export function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

export function writeText(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * Runs `work` while no other process does the step of this name. A lock is a directory with its owner's process id;
 * one whose owner has gone is taken over. `work` must look again whether there is anything left to do.
 */
export async function alone(name, work) {
  const lock = join(cache, "locks", name);
  mkdirSync(dirname(lock), { recursive: true });
  const owner = join(lock, "pid");
  for (let waited = 0; ; waited++) {
    try {
      mkdirSync(lock);
      writeFileSync(owner, String(process.pid));
      break;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
      // Between making the directory and writing the id there is nothing to read: give the owner two seconds.
      const pid = Number(readText(owner) ?? 0);
      if (pid > 0 ? !alive(pid) : waited > 10) {
        rmSync(lock, { recursive: true, force: true });
        continue;
      }
      if (waited === 0) say(`${name}: another process is at it, waiting`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}
