// A PostgreSQL of the run's own: found on the machine, or Debian's package unpacked into .cache (nothing is
// installed into the system), on a free port of 127.0.0.1, with a new cluster for each start.

import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fetchDebian } from "../setup/debian.mjs";
import { alone, Missing, say } from "../setup/lib.mjs";
import { freePort, run, start, temporaryDirectory, within } from "./processes.mjs";

/**
 * The directory that holds `postgres` and `initdb`: from PATH, from Debian's places, or unpacked into `cache`.
 * Throws with the steps to take when there is none and apt cannot help.
 */
export async function findPostgres(cache) {
  const unpacked = join(cache, "postgres");
  const found = candidates(unpacked).find(
    (dir) => existsSync(join(dir, "postgres")) && existsSync(join(dir, "initdb")),
  );
  if (found) return found;
  await unpackPostgres(unpacked);
  const fresh = versions(join(unpacked, "usr/lib/postgresql"))[0];
  if (!fresh) throw new Missing("no PostgreSQL in what was fetched: put initdb and postgres on PATH");
  return fresh;
}

function candidates(unpacked) {
  return [
    ...(process.env.PATH ?? "").split(":").filter(Boolean),
    ...versions("/usr/lib/postgresql"),
    ...versions(join(unpacked, "usr/lib/postgresql")),
  ];
}

/** The bin directories below Debian's /usr/lib/postgresql, newest major first. */
function versions(root) {
  if (!existsSync(root)) return [];
  const majors = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return majors.map((major) => join(root, major, "bin"));
}

/** Fetches Debian's package and what it lacks on this machine, without installing anything. */
async function unpackPostgres(target) {
  // The lock that the other users of the package cache take as well.
  await alone("server", async () => {
    say("fetching PostgreSQL from Debian's packages into .cache");
    const failed = await fetchDebian(["postgresql"], target);
    if (failed !== undefined) {
      throw new Missing(
        `no PostgreSQL: put initdb and postgres on PATH (Debian: apt-get install postgresql)\n${failed}`,
      );
    }
  });
}

/**
 * Starts a new cluster. Resolves to { url, pid, version, stop() }.
 *
 * @param {string} bin directory found by findPostgres
 * @param {string} logs directory for the server's output
 */
export async function startPostgres(bin, logs) {
  const home = await temporaryDirectory("postgres");
  const data = join(home, "data");
  const passwordFile = join(home, "password");
  const password = randomBytes(12).toString("hex");
  const owner = process.getuid() === 0 ? unprivileged() : {};
  await mkdir(data, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (owner.uid !== undefined) {
    for (const path of [data, passwordFile]) await chown(path, owner.uid, owner.gid);
  }
  const env = { PATH: process.env.PATH, LC_ALL: "C", LD_LIBRARY_PATH: libraries(bin) };
  const init = [
    "-D",
    data,
    "-U",
    "owui",
    "-E",
    "UTF8",
    "--no-locale",
    "-A",
    "scram-sha-256",
    "--pwfile",
    passwordFile,
    "-N",
  ];
  await run(join(bin, "initdb"), init, { ...owner, env, cwd: home });

  const port = await freePort();
  const settings = [
    ["listen_addresses", "127.0.0.1"],
    ["port", port],
    ["unix_socket_directories", ""],
    ["max_connections", 100],
    ["fsync", "off"],
    ["jit", "off"],
  ].flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  let opened;
  const ready = new Promise((resolve) => {
    opened = resolve;
  });
  const server = start({
    name: "postgres",
    command: join(bin, "postgres"),
    args: ["-D", data, ...settings],
    ...owner,
    env,
    cwd: home,
    logFile: join(logs, "postgres.log"),
    // "Fast" shutdown: it does not wait for the clients to leave.
    stopSignal: "SIGINT",
    onLine: (line) => line.includes("ready to accept connections") && opened(true),
  });
  const failed = server.exited.then((result) => {
    throw new Error(`postgres ended with ${result}:\n${server.tail()}`);
  });
  await within(30_000, "postgres", Promise.race([ready, failed]), server.tail);
  failed.catch(() => {});
  return {
    url: `postgresql://owui:${password}@127.0.0.1:${port}/postgres`,
    pid: server.pid,
    version: (await run(join(bin, "postgres"), ["--version"], { env })).trim(),
    stop: server.stop,
  };
}

/** PostgreSQL refuses to run as root: the user `postgres` where there is one, else `nobody`. */
function unprivileged() {
  const users = readFileSync("/etc/passwd", "utf8").split("\n");
  for (const name of ["postgres", "nobody"]) {
    const fields = users.find((line) => line.startsWith(`${name}:`))?.split(":");
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  return { uid: 65534, gid: 65534 };
}

/** The libraries that were unpacked beside the server; none where it was installed as usual. */
function libraries(bin) {
  const root = /^(.*)\/usr\/lib\/postgresql\/[^/]+\/bin$/.exec(bin)?.[1];
  if (!root) return "";
  const found = [];
  for (const base of [join(root, "usr/lib"), join(root, "lib")]) {
    if (!existsSync(base)) continue;
    for (const name of readdirSync(base)) if (name.endsWith("-linux-gnu")) found.push(join(base, name));
  }
  return found.join(":");
}
