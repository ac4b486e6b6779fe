// One measurement: a run of redis-benchmark against one way, with the CPU time and memory of the processes involved.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { which } from "../../test/setup/lib.mjs";
import { debianProgram } from "./debian-program.mjs";
import { CHANNEL, framePayload } from "./payload.mjs";

const TICK_SECONDS = 1 / Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout || 100);

/**
 * The load generator: beside the server's program, or in PATH; Debian's redis-tools are unpacked into .cache otherwise.
 *
 * @param {{ server: string, env: NodeJS.ProcessEnv }} binaries from test/setup/server.mjs
 * @returns {Promise<{ file: string, env: NodeJS.ProcessEnv }>} redis-benchmark or valkey-benchmark
 * @throws {Missing} when there is none
 */
export async function benchmarkBinary(binaries) {
  const names = ["valkey-benchmark", "redis-benchmark"];
  const beside = names.map((name) => join(dirname(binaries.server), name)).find((path) => existsSync(path));
  if (beside !== undefined) return { file: beside, env: binaries.env };
  const inPath = names.map(which).find((path) => path !== undefined);
  return inPath === undefined
    ? debianProgram("redis-tools", "usr/bin/redis-benchmark")
    : { file: inPath, env: process.env };
}

/** CPU seconds (user and system) that a process has used so far; 0 for undefined. */
export function cpuSeconds(pid) {
  if (pid === undefined) return 0;
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_SECONDS;
}

/** Resident memory of a process in MiB; 0 for undefined. */
export function rssMiB(pid) {
  if (pid === undefined) return 0;
  const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
  return Number(line?.[1] ?? 0) / 1024;
}

/**
 * Runs `requests` requests of one kind over one way.
 *
 * @param {{ file: string, env: NodeJS.ProcessEnv }} binary from benchmarkBinary()
 * @param {{ command: "set" | "get" | "publish", pipeline: number }} kind
 * @param {number} connections parallel connections
 * @param {number} requests how many in all
 * @param {{ port: number, pid?: number }} way
 * @param {number} serverPid
 * @param {number} limitMs it is killed after this long
 * @returns {Promise<{ rps: number, p50: number, p99: number, seconds: number, proxyCpu: number, serverCpu: number,
 *   rss: number }>} p50, p99 in ms; proxyCpu, serverCpu in µs a request; rss in MiB, at the end
 * @throws {Error} when redis-benchmark fails, or does not end in time
 */
export async function measure(binary, kind, connections, requests, way, serverPid, limitMs = 30_000) {
  const args = ["-p", String(way.port), "-c", String(connections), "-n", String(requests), "--csv"];
  args.push("-P", String(kind.pipeline), "-r", "1000000");
  if (kind.command === "publish") args.push("-x", "PUBLISH", CHANNEL);
  else args.push("-d", "100", "-t", kind.command);
  const proxyBefore = cpuSeconds(way.pid);
  const serverBefore = cpuSeconds(serverPid);
  const began = performance.now();
  const text = await output(binary, args, kind.command === "publish" ? framePayload() : "", limitMs);
  const seconds = (performance.now() - began) / 1000;
  const perRequest = (cpu) => (cpu * 1e6) / requests;
  const [rps, , , p50, , p99] = lastRow(text);
  return {
    rps,
    p50,
    p99,
    seconds,
    proxyCpu: perRequest(cpuSeconds(way.pid) - proxyBefore),
    serverCpu: perRequest(cpuSeconds(serverPid) - serverBefore),
    rss: rssMiB(way.pid),
  };
}

function output(binary, args, input, limitMs) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary.file, args, { env: binary.env, timeout: limitMs, killSignal: "SIGKILL" });
    const parts = [];
    child.stdout.setEncoding("utf8").on("data", (text) => parts.push(text));
    child.stderr.setEncoding("utf8").on("data", (text) => parts.push(text));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const text = parts.join("");
      if (code === 0) resolve(text);
      else reject(new Error(`${binary.file} ${args.join(" ")} ended with ${signal ?? code}: ${text.slice(0, 500)}`));
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

/** The numbers of the last CSV row, after its quoted title (which may hold commas). */
function lastRow(text) {
  const row = text.trimEnd().split("\n").at(-1) ?? "";
  const numbers = /((?:,"[\d.]+"){7})$/.exec(row)?.[1];
  if (numbers === undefined) throw new Error(`no result row: ${text.slice(0, 500)}`);
  return numbers.slice(2, -1).split('","').map(Number);
}
