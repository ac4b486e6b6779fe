/**
 * Real servers for tests, the demo and benches: Valkey where test/setup found or fetched it, else Redis. Each has its
 * own directory (a Valkey replica writes dump.rdb even without save points, and Redis 7.0 cannot read that file).
 */
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { eachLine, spawnChild, stopChild } from "./children.js";
import { freePort } from "./ports.js";
import { inRoot } from "./root.js";

const run = promisify(execFile);

export interface Server {
  kind: "valkey" | "redis";
  version: string;
  host: "127.0.0.1";
  port: number;
  /** redis://…, with the password where one was asked for. */
  url: string;
  pid: number;
  dir: string;
  /** What the server has logged so far, one line an entry. */
  logs: string[];
  /** Runs the server's own command line client and returns what it prints, without the last newline. */
  cli(...args: string[]): Promise<string>;
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface ServerOptions {
  /** Further options, such as ["--replicaof", "127.0.0.1 6379"]. */
  args?: string[];
  password?: string;
  /** Start as a sentinel with this configuration text (written to a file of its own, which a sentinel rewrites). */
  sentinelConfig?: string;
  /** A fixed port, for a server that comes back where another one was. */
  port?: number;
}

interface Binaries {
  server: string;
  cli: string;
  env: NodeJS.ProcessEnv;
}

function inPath(name: string): string | undefined {
  for (const dir of (process.env.PATH ?? "").split(delimiter)) {
    if (dir !== "" && existsSync(join(dir, name))) return join(dir, name);
  }
  return undefined;
}

function findBinaries(): Binaries {
  const chosen = process.env.KEYFRAME_TEST_SERVER;
  if (chosen) {
    const beside = ["valkey-cli", "redis-cli"].map((name) => join(dirname(chosen), name)).find(existsSync);
    return { server: chosen, cli: beside ?? inPath("valkey-cli") ?? "redis-cli", env: process.env };
  }
  const stamp = inRoot(".cache", "valkey", "server.json");
  if (existsSync(stamp)) {
    const found = JSON.parse(readFileSync(stamp, "utf8")) as { server: string; cli: string; libraries: string };
    const absolute = (path: string) => inRoot(".cache", "valkey", path);
    const libraries = found.libraries
      .split(delimiter)
      .filter((path) => path !== "")
      .map(absolute);
    const inherited = process.env.LD_LIBRARY_PATH;
    if (inherited) libraries.push(inherited);
    const env = libraries.length > 0 ? { ...process.env, LD_LIBRARY_PATH: libraries.join(delimiter) } : process.env;
    return { server: absolute(found.server), cli: absolute(found.cli), env };
  }
  for (const kind of ["valkey", "redis"]) {
    const server = inPath(`${kind}-server`);
    const cli = inPath(`${kind}-cli`);
    if (server && cli) return { server, cli, env: process.env };
  }
  throw new Error("no Valkey or Redis server: run node test/setup/all.mjs --for test");
}

const bindFailed = /Address already in use|Failed listening on port/i;

/** Starts a server on a free port of 127.0.0.1 without persistence. Resolves when it accepts connections. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOnce(options);
    } catch (error) {
      const lost = options.port === undefined && attempt < 5 && bindFailed.test(String(error));
      if (!lost) throw error;
    }
  }
}

async function startOnce(options: ServerOptions): Promise<Server> {
  const { server, cli, env } = findBinaries();
  const port = options.port ?? (await freePort());
  const dir = mkdtempSync(join(tmpdir(), "keyframe-server-"));
  const args: string[] = [];
  if (options.sentinelConfig !== undefined) {
    const file = join(dir, "sentinel.conf");
    writeFileSync(file, `port ${port}\nbind 127.0.0.1\nprotected-mode no\ndir ${dir}\n${options.sentinelConfig}\n`);
    args.push(file, "--sentinel");
  } else {
    args.push("--port", String(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no");
    args.push("--protected-mode", "no", "--daemonize", "no", "--repl-diskless-sync-delay", "0");
  }
  if (options.password !== undefined) args.push("--requirepass", options.password);
  args.push(...(options.args ?? []));

  const child = spawnChild(server, args, { env, cwd: dir });
  const logs: string[] = [];
  let spawnError: Error | undefined;
  const up = new Promise<void>((resolve, reject) => {
    const give = setTimeout(() => reject(new Error(`${server}: not up after 20 s:\n${logs.join("\n")}`)), 20_000);
    const settle = (error?: Error) => {
      clearTimeout(give);
      if (error) reject(error);
      else resolve();
    };
    const onLine = (line: string) => {
      logs.push(line);
      if (logs.length > 5_000) logs.shift();
      // A sentinel says its id, a server that it is ready.
      if (/Ready to accept connections|Sentinel ID is/.test(line)) settle();
    };
    eachLine(child.stdout, onLine);
    eachLine(child.stderr, onLine);
    child.once("error", (error) => {
      spawnError = error;
      settle(error);
    });
    child.once("exit", (code) => settle(new Error(`${server} ended with ${code}:\n${logs.join("\n")}`)));
  });
  const discard = () => rmSync(dir, { recursive: true, force: true });
  try {
    await up;
  } catch (error) {
    if (!spawnError) await stopChild(child, "SIGKILL");
    discard();
    throw error;
  }

  const password = options.password;
  const callCli = async (...words: string[]): Promise<string> => {
    const login = password === undefined ? [] : ["--no-auth-warning", "-a", password];
    const { stdout } = await run(cli, ["-h", "127.0.0.1", "-p", String(port), ...login, ...words], {
      env,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.replace(/\n$/, "");
  };
  const info = await callCli("INFO", "server");
  const valkey = /^valkey_version:(\S+)/m.exec(info);
  const redis = /^redis_version:(\S+)/m.exec(info);
  return {
    kind: valkey ? "valkey" : "redis",
    version: valkey?.[1] ?? redis?.[1] ?? "unknown",
    host: "127.0.0.1",
    port,
    url: `redis://${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    pid: child.pid ?? 0,
    dir,
    logs,
    cli: callCli,
    async stop(signal = "SIGTERM") {
      // A suspended process (SIGSTOP in a test) would never see SIGTERM.
      child.kill("SIGCONT");
      await stopChild(child, signal, 5_000);
      discard();
    },
  };
}
