/**
 * A master, its replicas and real sentinels on free ports, ready for a failover: every replica is in sync and every
 * sentinel knows the others and all replicas. Down-after is 1 s, so that a dead master is replaced in about 2 s.
 */
import { type Server, startServer } from "./server.js";
import { eventually } from "./wait.js";

export interface SentinelsOptions {
  /** Replicas beside the master; 2 by default. */
  replicas?: number;
  /** Sentinels; 3 by default. The quorum is their majority. */
  sentinels?: number;
  /** Name of the master group; "mymaster" by default. */
  name?: string;
  /** Of the servers. Sentinels and replicas use it too. */
  password?: string;
  /** Of the sentinels themselves. */
  sentinelPassword?: string;
  /** Further options for each server, such as ["--maxmemory", "1gb"]. */
  serverArgs?: string[];
  downAfterMs?: number;
  failoverTimeoutMs?: number;
}

export interface Sentinels {
  name: string;
  /** All servers that were started, the first master first; also those that have been killed. */
  servers: Server[];
  sentinels: Server[];
  /**
   * redis+sentinel://… with the servers' password, for a sidecar. The sentinels' own goes into
   * KEYFRAME_SENTINEL_PASSWORD.
   */
  url(options?: { sentinels?: readonly Server[]; name?: string; db?: number }): string;
  /** The port that one sentinel (the first that lives) names. */
  master(by?: Server): Promise<number>;
  /** The server that the sentinels name. */
  masterServer(): Promise<Server>;
  /** Waits until every living sentinel names one and the same master that is not at `notPort`; returns its port. */
  agreed(notPort?: number, deadlineMs?: number): Promise<number>;
  /** SENTINEL FAILOVER with the old master alive; resolves once every sentinel names the new one. Returns its port. */
  failover(): Promise<number>;
  /** Ends the master with SIGKILL and returns it. The failover follows by itself: `agreed(killed.port)` waits for it. */
  killMaster(): Promise<Server>;
  /** Ends a replica with SIGKILL and returns it. */
  killReplica(): Promise<Server>;
  /** Ends one sentinel with SIGKILL. */
  killSentinel(index: number): Promise<void>;
  /** Starts a new sentinel where a killed one stood; it knows no more than its configuration. */
  restartSentinel(index: number): Promise<void>;
  /** Starts a server where a killed one stood; without `replicaof` it comes back claiming to be a master. */
  restart(port: number, options?: { replicaof?: number }): Promise<Server>;
  /** Waits until every living server but the master follows it, in sync, and the sentinels know them. */
  settled(deadlineMs?: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts all of them. On failure nothing is left behind. */
export async function startSentinels(options: SentinelsOptions = {}): Promise<Sentinels> {
  const { replicas = 2, sentinels: count = 3, name = "mymaster", password, sentinelPassword } = options;
  const servers: Server[] = [];
  const sentinels: Server[] = [];
  const dead = new Set<Server>();
  const living = () => servers.filter((server) => !dead.has(server));
  const awake = () => sentinels.filter((sentinel) => !dead.has(sentinel));

  const startNode = async (replicaof: number | undefined, port?: number): Promise<Server> => {
    const args = [...(options.serverArgs ?? [])];
    if (password !== undefined) args.push("--masterauth", password);
    if (replicaof !== undefined) args.push("--replicaof", `127.0.0.1 ${replicaof}`);
    const server = await startServer({ args, ...(password && { password }), ...(port !== undefined && { port }) });
    servers.push(server);
    return server;
  };
  const startSentinel = async (masterPort: number, port?: number): Promise<Server> => {
    const lines = [
      `sentinel monitor ${name} 127.0.0.1 ${masterPort} ${Math.floor(count / 2) + 1}`,
      `sentinel down-after-milliseconds ${name} ${options.downAfterMs ?? 1_000}`,
      `sentinel failover-timeout ${name} ${options.failoverTimeoutMs ?? 5_000}`,
    ];
    if (password !== undefined) lines.push(`sentinel auth-pass ${name} ${password}`);
    if (sentinelPassword !== undefined) lines.push(`sentinel sentinel-pass ${sentinelPassword}`);
    return startServer({
      sentinelConfig: lines.join("\n"),
      ...(sentinelPassword !== undefined && { password: sentinelPassword }),
      ...(port !== undefined && { port }),
    });
  };
  const stop = async () => {
    // Sentinels first: they would start failovers while their servers go.
    await Promise.all(awake().map((sentinel) => sentinel.stop("SIGKILL")));
    await Promise.all(living().map((server) => server.stop("SIGKILL")));
    for (const server of [...sentinels, ...servers]) dead.add(server);
  };

  const named = async (by: Server): Promise<number> =>
    Number((await by.cli("SENTINEL", "get-master-addr-by-name", name)).split("\n")[1]);
  const master = async (by?: Server): Promise<number> => {
    const sentinel = by ?? awake()[0];
    if (sentinel === undefined) throw new Error("no sentinel is alive");
    return named(sentinel);
  };
  const agreed = (notPort?: number, deadlineMs = 60_000): Promise<number> =>
    eventually(
      `every sentinel names one master${notPort === undefined ? "" : ` that is not at ${notPort}`}`,
      async () => {
        const ports = new Set(await Promise.all(awake().map(named)));
        const [port] = ports;
        return ports.size === 1 && port !== notPort ? port : undefined;
      },
      deadlineMs,
      50,
    );
  const masterServer = async (): Promise<Server> => {
    const port = await master();
    const server = living().find((one) => one.port === port);
    if (server === undefined) throw new Error(`the sentinels name ${port}, where no server of ours lives`);
    return server;
  };

  const settled = async (deadlineMs = 30_000): Promise<void> => {
    const port = await agreed();
    const others = living()
      .filter((server) => server.port !== port)
      .map((server) => server.port);
    const lead = living().find((server) => server.port === port);
    await eventually(
      "the replicas are in sync",
      async () => {
        const info = (await lead?.cli("INFO", "replication")) ?? "";
        return others.every((other) => new RegExp(`^slave\\d+:.*port=${other},state=online`, "m").test(info));
      },
      deadlineMs,
      50,
    );
    await eventually(
      "every sentinel knows the others and the replicas",
      async () => {
        const views = await Promise.all(
          awake().map(async (sentinel) => {
            const peers = entries(await sentinel.cli("SENTINEL", "sentinels", name));
            const known = entries(await sentinel.cli("SENTINEL", "replicas", name));
            // A replica is fit for promotion once its link to the master has been seen up.
            const fit = known.filter((one) => one["master-link-status"] === "ok" && one.flags === "slave");
            const heard = awake().filter((one) => one !== sentinel && peers.some((p) => Number(p.port) === one.port));
            return (
              heard.length === awake().length - 1 && others.every((other) => fit.some((f) => Number(f.port) === other))
            );
          }),
        );
        return views.every(Boolean);
      },
      deadlineMs,
      50,
    );
  };

  try {
    const first = await startNode(undefined);
    await Promise.all(Array.from({ length: replicas }, () => startNode(first.port)));
    await Promise.all(Array.from({ length: count }, async () => sentinels.push(await startSentinel(first.port))));
    await settled();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    name,
    servers,
    sentinels,
    url({ sentinels: chosen = sentinels, name: other = name, db = 0 } = {}) {
      const login = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
      const nodes = chosen.map((sentinel) => `127.0.0.1:${sentinel.port}`).join(",");
      return `redis+sentinel://${login}${nodes}/${db}/${encodeURIComponent(other)}`;
    },
    master,
    masterServer,
    agreed,
    settled,
    async failover() {
      const before = await agreed();
      const [sentinel] = awake();
      // NOGOODSLAVE and INPROG pass with the next INFO and the end of the last failover.
      await eventually(
        "a sentinel starts the failover",
        async () => (await sentinel?.cli("SENTINEL", "failover", name)) === "OK",
        30_000,
        100,
      );
      return agreed(before);
    },
    async killMaster() {
      const server = await masterServer();
      dead.add(server);
      await server.stop("SIGKILL");
      return server;
    },
    async killReplica() {
      const lead = await master();
      const server = living().find((one) => one.port !== lead);
      if (server === undefined) throw new Error("no replica is alive");
      dead.add(server);
      await server.stop("SIGKILL");
      return server;
    },
    async restartSentinel(index) {
      sentinels[index] = await startSentinel(await master(), sentinels[index]!.port);
    },
    async killSentinel(index) {
      const sentinel = sentinels[index]!;
      dead.add(sentinel);
      await sentinel.stop("SIGKILL");
    },
    restart: (port, { replicaof } = {}) => startNode(replicaof, port),
    stop,
  };
}

/** What valkey-cli prints for a list of maps: names and values on lines of their own, each entry from its `name` on. */
function entries(text: string): Record<string, string>[] {
  const found: Record<string, string>[] = [];
  const lines = text.split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    // Entries are parted by nothing but their first field.
    while (lines[i] === "" && i + 1 < lines.length) i++;
    if (lines[i] === "name") found.push({});
    const entry = found.at(-1);
    if (entry !== undefined) entry[lines[i]!] = lines[i + 1] ?? "";
  }
  return found;
}
