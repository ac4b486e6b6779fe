// The ways to the server that the benchmark compares. Each way has one port for the clients, and at most one process
// whose CPU and memory are its cost.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { accepting, freePort, launch, startSidecar } from "../../test/conformance/processes.mjs";
import { run, which } from "../../test/setup/lib.mjs";
import { debianProgram } from "./debian-program.mjs";

/**
 * @typedef {{ name: string, about: string, port: number, pid: number | undefined, admin?: string, tail?: string[],
 *   commandsOnly?: boolean, stop: () => Promise<void> }} Way
 */

/** @returns {Way} no proxy at all */
export function direct(serverPort) {
  return { name: "direct", about: "no proxy", port: serverPort, pid: undefined, stop: async () => {} };
}

/**
 * HAProxy in TCP mode with one thread: a Node process has one too, and more threads would only take the second core
 * from the server or from the load.
 *
 * @returns {Promise<Way | undefined>} undefined where HAProxy is not installed and cannot be fetched
 */
export async function haproxy(serverPort) {
  const binary = await findProgram("haproxy", "haproxy", "usr/sbin/haproxy");
  if (binary === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "keyframe-haproxy-"));
  const port = await freePort();
  const config = join(folder, "haproxy.cfg");
  writeFileSync(
    config,
    `global
  nbthread 1
  maxconn 2000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend apps
  bind 127.0.0.1:${port}
  default_backend server
backend server
  server only 127.0.0.1:${serverPort}
`,
  );
  const started = launch(binary.file, ["-f", config, "-db"], { env: binary.env });
  await accepting(port, started, "haproxy");
  const version = (await run(binary.file, ["-v"], { env: binary.env })).output.split(" ")[2];
  const stop = async () => {
    await started.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { name: "haproxy", about: `HAProxy ${version}, mode tcp, nbthread 1`, port, pid: started.pid, stop };
}

/** A program that is installed, or Debian's package of it unpacked into .cache. */
async function findProgram(name, debianName, path) {
  const installed = which(name) ?? [`/usr/sbin/${name}`, `/usr/local/sbin/${name}`].find((file) => existsSync(file));
  if (installed !== undefined) return { file: installed, env: process.env };
  return debianProgram(debianName, path).catch((error) => {
    console.log(`${name}: ${error.message}`);
    return undefined;
  });
}

/**
 * nutcracker (twemproxy): a proxy in C that reads commands, as the sidecar does, and sends those of all clients over one
 * connection. It knows no PUBLISH.
 *
 * @returns {Promise<Way | undefined>} undefined where it is not installed and cannot be fetched
 */
export async function nutcracker(serverPort) {
  const binary = await findProgram("nutcracker", "nutcracker", "usr/sbin/nutcracker");
  if (binary === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "keyframe-nutcracker-"));
  const port = await freePort();
  const config = join(folder, "nutcracker.yml");
  writeFileSync(
    config,
    `apps:
  listen: 127.0.0.1:${port}
  hash: fnv1a_64
  distribution: ketama
  redis: true
  preconnect: true
  servers:
   - 127.0.0.1:${serverPort}:1
`,
  );
  const stats = ["-a", "127.0.0.1", "-s", String(await freePort())];
  const started = launch(binary.file, ["-c", config, "-o", join(folder, "log"), ...stats], { env: binary.env });
  await accepting(port, started, "nutcracker");
  const version = (await run(binary.file, ["-V"], { env: binary.env })).output.trim().split("\n")[0];
  const stop = async () => {
    await started.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { name: "nutcracker", about: version, port, pid: started.pid, commandsOnly: true, stop };
}

/** @returns {Promise<Way>} bench/proxy/pipe.mjs */
export async function pipe(serverPort) {
  const port = await freePort();
  const script = fileURLToPath(new URL("pipe.mjs", import.meta.url));
  const started = launch(process.execPath, [script, String(port), String(serverPort)]);
  await accepting(port, started, "the bare pipe");
  return {
    name: "pipe",
    about: `Node ${process.version}, socket.pipe(socket)`,
    port,
    pid: started.pid,
    stop: started.stop,
  };
}

/** @returns {Promise<Way>} one sidecar with its default settings */
export async function sidecar(serverPort) {
  const started = await startSidecar(serverPort);
  return { name: "sidecar", about: `keyframe, Node ${process.version}, default settings`, ...started };
}
