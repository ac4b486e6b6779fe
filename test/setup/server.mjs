/**
 * Finds or fetches a Valkey server (Redis where no Valkey can be had) with its command line client; a sentinel is the
 * same program started with --sentinel. What was fetched lies in .cache/valkey, described by server.json there.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fetchDebian } from "./debian.mjs";
import { alone, cache, Missing, readText, run, say, which, writeText } from "./lib.mjs";

const home = join(cache, "valkey");
const stamp = join(home, "server.json");
/** Says that Valkey was looked for in vain, so that a machine with Redis only does not ask its mirror every time. */
const inVain = join(home, "no-valkey");
const askAgainAfterMs = 6 * 3600 * 1000;

const advice = `No Valkey or Redis server was found, and none could be fetched.
Install one of:
  Debian, Ubuntu   apt-get install valkey-server valkey-tools    (or redis-server redis-tools)
  Fedora           dnf install valkey
  macOS            brew install valkey
or point KEYFRAME_TEST_SERVER at a valkey-server or redis-server program.`;

function inPath(kind) {
  const server = which(`${kind}-server`);
  const cli = which(`${kind}-cli`);
  return server && cli ? { server, cli, env: process.env } : undefined;
}

function fetched() {
  const text = readText(stamp);
  if (text === undefined) return undefined;
  const { server, cli, libraries } = JSON.parse(text);
  const paths = libraries.split(delimiter).filter((path) => path !== "");
  const inherited = process.env.LD_LIBRARY_PATH;
  const LD_LIBRARY_PATH = [...paths.map((path) => join(home, path)), ...(inherited ? [inherited] : [])].join(delimiter);
  const env = LD_LIBRARY_PATH === "" ? process.env : { ...process.env, LD_LIBRARY_PATH };
  return { server: join(home, server), cli: join(home, cli), env };
}

/**
 * The programs to use, in the order of preference: $KEYFRAME_TEST_SERVER, .cache/valkey, valkey-server in PATH,
 * redis-server in PATH. { server, cli, env }: run them with that environment. Undefined when there is none.
 */
export function serverBinaries() {
  const chosen = process.env.KEYFRAME_TEST_SERVER;
  if (chosen) {
    const beside = ["valkey-cli", "redis-cli"].map((name) => join(chosen, "..", name)).find((path) => existsSync(path));
    return {
      server: chosen,
      cli: beside ?? which("valkey-cli") ?? which("redis-cli") ?? "redis-cli",
      env: process.env,
    };
  }
  return fetched() ?? inPath("valkey") ?? inPath("redis");
}

/** Directories with shared objects among the unpacked packages, relative to `home`. */
function libraryDirs(rootDir) {
  const dirs = [];
  for (const base of ["usr/lib", "lib"]) {
    const at = join(home, rootDir, base);
    if (!existsSync(at)) continue;
    for (const name of readdirSync(at)) {
      if (/-linux-/.test(name) && readdirSync(join(at, name)).some((file) => file.includes(".so"))) {
        dirs.push(join(rootDir, base, name));
      }
    }
  }
  return dirs;
}

async function fetchKind(kind) {
  say(`fetching ${kind}-server from Debian's packages into .cache`);
  const failed = await fetchDebian([`${kind}-server`, `${kind}-sentinel`, `${kind}-tools`], join(home, kind));
  if (failed !== undefined) return failed;
  const found = {
    kind,
    server: join(kind, "usr", "bin", `${kind}-server`),
    cli: join(kind, "usr", "bin", `${kind}-cli`),
    libraries: libraryDirs(kind).join(delimiter),
  };
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: found.libraries
      .split(delimiter)
      .map((dir) => join(home, dir))
      .join(delimiter),
  };
  const version = await run(join(home, found.server), ["--version"], { env });
  if (version.code !== 0) return `the fetched ${kind}-server does not run here: ${version.output.trim()}`;
  writeText(stamp, `${JSON.stringify(found, undefined, 2)}\n`);
  say(version.output.trim());
  return undefined;
}

function askedLately() {
  return existsSync(inVain) && Date.now() - statSync(inVain).mtimeMs < askAgainAfterMs;
}

export async function setUpServer() {
  const ready = () => process.env.KEYFRAME_TEST_SERVER || fetched() || inPath("valkey");
  if (ready() || (inPath("redis") && askedLately())) return;
  await alone("server", async () => {
    if (ready()) return;
    const noValkey = await fetchKind("valkey");
    if (noValkey === undefined) return;
    if (inPath("redis")) {
      say(`no Valkey to be had (${noValkey.split("\n")[0]}); using the redis-server in PATH`);
      writeText(inVain, noValkey);
      return;
    }
    const noRedis = await fetchKind("redis");
    if (noRedis !== undefined) throw new Missing(`${advice}\n\nvalkey: ${noValkey}\nredis: ${noRedis}`);
  });
}
