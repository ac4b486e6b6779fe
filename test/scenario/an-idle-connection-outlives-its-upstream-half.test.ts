/**
 * A failover takes the upstream half of every app connection. One that is idle and holds nothing there keeps its app: it
 * is dialled at the next command and told again who it is. One that holds something ends, as it would without us, and
 * so does one that waits for an answer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { freePort } from "../support/ports.js";
import { plain, RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

interface World {
  server: Server;
  line: FaultProxy;
  sidecar: Sidecar;
  connect(): Promise<RespClient>;
}

async function withLine(
  story: (world: World) => Promise<void>,
  options: { password?: string; db?: number; env?: Record<string, string> } = {},
): Promise<void> {
  const { password, db = 0, env = {} } = options;
  const server = await startServer(password === undefined ? {} : { password });
  const line = await startFaultProxy({ target: server.port });
  const login = password === undefined ? "" : `:${password}@`;
  const sidecar = await startSidecar({ upstream: `redis://${login}127.0.0.1:${line.port}/${db}`, env });
  try {
    await sidecar.ready();
    await story({ server, line, sidecar, connect: () => RespClient.connect({ port: sidecar.port }) });
  } finally {
    await sidecar.stop();
    await line.stop();
    await server.stop();
  }
}

/** CLIENT INFO of the connection, as fields. */
async function infoOf(client: RespClient): Promise<Record<string, string>> {
  const line = String(plain(await client.command("CLIENT", "INFO"))).replace(/^txt:/, "");
  return Object.fromEntries(
    line
      .trim()
      .split(" ")
      .map((field) => field.split("=") as [string, string]),
  );
}

/** Every connection that is open now loses its upstream half. */
async function cutAll({ line, sidecar }: World): Promise<void> {
  assert.ok(line.cut() > 0);
  await sidecar.ready();
}

async function stays(client: RespClient): Promise<void> {
  assert.equal(await client.text("ECHO", "still here"), "still here");
}

test("killed, cut, and over a restart of the server: protocol, user, database, name and library are told again", async () => {
  await withLine(
    async (world) => {
      const shown = await world.connect();
      await shown.command("HELLO", 3, "AUTH", "default", "hush", "SETNAME", "first-name");
      await shown.command("SELECT", 3);
      await shown.command("CLIENT", "SETNAME", "worker");
      await shown.command("CLIENT", "SETINFO", "LIB-NAME", "some-lib");
      await shown.command("CLIENT", "SETINFO", "LIB-VER", "1.2.3");
      const late = await world.connect();
      await late.command("HELLO", 3);
      await late.command("AUTH", "hush");
      // Its credentials are its own, its database is the sidecar's.
      const early = await world.connect();
      await early.command("AUTH", "default", "hush");
      const ours = await world.connect();
      await ours.command("SET", "where", "ours");
      const check = async () => {
        const info = await infoOf(shown);
        const { db, name, resp, user } = info;
        const library = [info["lib-name"], info["lib-ver"]];
        assert.deepEqual({ db, name, resp, user }, { db: "3", name: "worker", resp: "3", user: "default" });
        assert.deepEqual(library, ["some-lib", "1.2.3"]);
        assert.deepEqual([(await infoOf(late)).db, (await infoOf(late)).resp], ["5", "3"]);
        assert.deepEqual([(await infoOf(early)).db, (await infoOf(early)).resp], ["5", "2"]);
        assert.deepEqual([(await infoOf(ours)).db, (await infoOf(ours)).resp], ["5", "2"]);
        return Number(info.id);
      };
      const first = await check();
      await cutAll(world);
      const second = await check();
      assert.notEqual(second, first, "another connection");

      const killer = await world.connect();
      assert.equal(await killer.text("CLIENT", "KILL", "ID", second), 1);
      assert.notEqual(await check(), second, "another connection");

      const { port } = world.server;
      await world.server.stop("SIGKILL");
      const again = await startServer({ port, password: "hush" });
      try {
        await check();
        assert.equal(await world.sidecar.metric("keyframe_connections_closed_total"), 0);
        await Promise.all([shown, late, early, ours, killer].map((client) => client.close()));
      } finally {
        await again.stop();
      }
    },
    { password: "hush", db: 5 },
  );
});

type Request = readonly (string | number)[];

const TIED: readonly [why: string, ...requests: Request[]][] = [
  ["caching", ["CLIENT", "TRACKING", "ON"], ["GET", "k"]],
  ["caching by opting in", ["CLIENT", "TRACKING", "ON", "OPTIN"], ["CLIENT", "CACHING", "YES"], ["GET", "k"]],
  ["it knows its id", ["CLIENT", "ID"]],
  ["it knows its id, also behind RESET", ["CLIENT", "ID"], ["RESET"]],
  ["it may not be evicted", ["CLIENT", "NO-EVICT", "ON"]],
  ["it leaves no trace, also behind RESET", ["CLIENT", "NO-TOUCH", "ON"], ["RESET"]],
  ["it has waited for replicas", ["SET", "k", "v"], ["WAIT", 0, 10]],
  ["it has waited for the disk", ["SET", "k", "v"], ["WAITAOF", 0, 0, 10]],
  ["it watches", ["WATCH", "k"]],
  ["it watches, EXEC without MULTI changes nothing", ["WATCH", "k"], ["EXEC"]],
  ["it watches, an UNWATCH that is wrong changes nothing", ["WATCH", "k"], ["UNWATCH", "k"]],
  ["a transaction is open", ["MULTI"], ["INCR", "n"]],
  ["a transaction is still open", ["MULTI"], ["EXEC", "now"]],
  ["a SELECT in a transaction, which it may have dropped", ["MULTI"], ["SELECT", 4], ["DISCARD"]],
  ["it is a plain subscriber", ["SUBSCRIBE", "tasks"]],
  ["it is a plain subscriber by pattern", ["PSUBSCRIBE", "__keyspace@*"]],
  ["it is a shard subscriber", ["SSUBSCRIBE", "shard"]],
  ["it debugs scripts", ["SCRIPT", "DEBUG", "SYNC"]],
  ["it monitors", ["MONITOR"]],
];

const FREE: readonly [why: string, ...requests: Request[]][] = [
  ["it has asked nothing yet"],
  ["reads and writes", ["SET", "k", "v"], ["GET", "k"], ["LPUSH", "list", "a"], ["BLPOP", "list", 1]],
  ["a transaction that is over", ["WATCH", "k"], ["MULTI"], ["INCR", "n"], ["EXEC"]],
  ["a transaction that was dropped", ["WATCH", "k"], ["MULTI"], ["DISCARD"]],
  ["watches no more", ["WATCH", "k"], ["UNWATCH"]],
  ["scripts", ["EVAL", "return 1", 0], ["SCRIPT", "LOAD", "return 2"], ["SCRIPT", "EXISTS", "x"]],
  ["looking around", ["CLIENT", "GETNAME"], ["CLIENT", "LIST"], ["CLIENT", "INFO"], ["CLIENT", "GETREDIR"]],
  ["what the server has refused", ["CLIENT", "TRACKING", "MAYBE"], ["CLIENT", "NO-SUCH"], ["ASKING"], ["WAIT", "x", 1]],
  ["what the server does not know", ["NO.SUCH", "command"]],
  ["a cache, and RESET", ["CLIENT", "TRACKING", "ON"], ["RESET"]],
  ["a plain subscription that has ended", ["SUBSCRIBE", "tasks"], ["UNSUBSCRIBE", "tasks"]],
  ["a frame subscription", ["SUBSCRIBE", "socketio"], ["UNSUBSCRIBE", "socketio"]],
];

test("what ties an app to its connection ends it, and nothing else does", () =>
  withLine(async (world) => {
    const open = async ([why, ...requests]: readonly [string, ...Request[]]) => {
      const client = await world.connect();
      for (const request of requests) await client.command(...request);
      return { why, client };
    };
    // Valkey takes it from any connection, Redis in a cluster only.
    const readonly = ["it reads from replicas", ["READONLY"]] as const;
    const tied = await Promise.all((world.server.kind === "valkey" ? [...TIED, readonly] : TIED).map(open));
    const free = await Promise.all(FREE.map(open));
    await cutAll(world);
    for (const { why, client } of tied) {
      await client.closed(2_000).catch((error) => assert.fail(`${why}: ${error.message}`));
    }
    for (const { why, client } of free) {
      await stays(client).catch((error) => assert.fail(`${why}: ${error.message}`));
      await client.close();
    }
  }));

test("a cache never goes stale in silence, nor does one whose invalidations go to another connection", () =>
  withLine(async (world) => {
    const [target, reader, writer] = [await world.connect(), await world.connect(), await world.connect()];
    const id = (await target.command("CLIENT", "ID")) as number;
    await target.command("SUBSCRIBE", "__redis__:invalidate");
    assert.equal(await reader.text("CLIENT", "TRACKING", "ON", "REDIRECT", id), "OK");
    const own = await world.connect();
    await own.command("HELLO", 3);
    assert.equal(await own.text("CLIENT", "TRACKING", "ON"), "OK");
    await reader.command("GET", "cached");
    await own.command("GET", "cached");
    await writer.command("SET", "cached", "new");
    assert.deepEqual(plain(await target.next()), ["message", "__redis__:invalidate", ["cached"]]);
    assert.deepEqual(plain(await own.next()), { push: ["invalidate", ["cached"]] });
    await cutAll(world);
    for (const client of [target, reader, own]) await client.closed(2_000);
    await stays(writer);
    await writer.close();
  }));

test("WAIT has no answer on a connection that replaces the one that wrote", () =>
  withLine(async (world) => {
    const client = await world.connect();
    await client.command("SET", "k", "v");
    await cutAll(world);
    client.request("WAIT", 0, 10);
    await client.closed(2_000);
  }));

test("an unanswered command at the break ends its connection, and is not sent twice", () =>
  withLine(async (world) => {
    const [blocked, piped] = [await world.connect(), await world.connect()];
    blocked.request("BLPOP", "nothing", 10);
    piped.request("INCR", "count");
    await piped.next();
    world.line.pause("down");
    piped.request("INCR", "count");
    await eventually("it has been counted", async () => (await world.server.cli("GET", "count")) === "2");
    world.line.cut();
    world.line.resume();
    for (const client of [blocked, piped]) await client.closed(2_000);
    await world.sidecar.ready();
    assert.equal(await world.server.cli("GET", "count"), "2");
  }));

test("nobody answers at first: refused or cut off at once, again and again, then it goes through, once", () =>
  withLine(async (world) => {
    const { line, sidecar, server } = world;
    const [first, second] = [await world.connect(), await world.connect()];
    await first.command("HELLO", 3, "SETNAME", "patient");
    await second.command("SET", "count", 0);
    // The line accepts and resets: what a balancer without a server behind it does.
    line.refuse(true);
    line.cut();
    await eventually("not ready", async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 503);
    const fresh = await world.connect();
    for (const client of [first, second, fresh]) client.request("INCR", "count");
    await assert.rejects(first.next(300), /no value within/);
    line.refuse(false);
    const counts = [await first.reply(), await second.next(), await fresh.next()];
    assert.deepEqual([...counts].sort(), [1, 2, 3]);
    assert.equal(await first.text("CLIENT", "GETNAME"), "patient");

    // Now nobody listens at all, for a while.
    const { port } = server;
    await server.stop("SIGKILL");
    for (const client of [first, second]) client.request("PING");
    await assert.rejects(first.next(300), /no value within/);
    const again = await startServer({ port });
    try {
      assert.equal(plain(await first.next()), "PONG");
      assert.equal(plain(await second.next()), "PONG");
      assert.equal(await sidecar.metric("keyframe_connections_closed_total"), 0);
      await Promise.all([first, second, fresh].map((client) => client.close()));
    } finally {
      await again.stop();
    }
  }));

test("nobody answers in time: one error, then the end, for an old connection and for a new one; it is counted", () =>
  withLine(
    async (world) => {
      const old = await world.connect();
      await old.command("GET", "k");
      await world.server.stop("SIGKILL");
      world.line.retarget(await freePort());
      const fresh = await world.connect();
      const began = performance.now();
      for (const client of [old, fresh]) for (const request of ["GET", "SET", "DEL"]) client.request(request, "k", "v");
      for (const client of [old, fresh]) {
        assert.match(
          String(plain(await client.next())),
          /^-ERR keyframe: upstream .* \(given up after \d+ attempts in 700 ms/,
        );
        await assert.rejects(client.next(), /closed/, "one error for all that was asked");
        await client.closed();
      }
      const took = performance.now() - began;
      assert.ok(took > 600 && took < 2_500, `given up after ${took.toFixed(0)} ms`);
      assert.equal(await world.sidecar.metric("keyframe_limit_hits_total", { limit: "dialTimeoutMs" }), 2);
    },
    { env: { KEYFRAME_DIAL_TIMEOUT: "700ms" } },
  ));

test("while it dials, an app is read no further than ever", () =>
  withLine(
    async (world) => {
      const client = await world.connect();
      await client.command("SET", "k", "v");
      world.line.refuse(true);
      world.line.cut();
      await eventually("not ready", async () => (await fetch(`${world.sidecar.adminUrl}/readyz`)).status === 503);
      const value = Buffer.alloc(256 * 1024, "v");
      for (let i = 0; i < 160; i++) client.request("SET", "k", value);
      let taken = -1;
      await eventually("no more is taken", async () => {
        const before = taken;
        await new Promise((resolve) => setTimeout(resolve, 200));
        taken = client.socket.writableLength;
        return taken === before;
      });
      assert.ok(taken > 20 * 1024 * 1024, `${taken} bytes of 40 MiB were left`);
      world.line.refuse(false);
      assert.equal((await client.take(160, 20_000)).length, 160);
      await client.close();
    },
    { env: { KEYFRAME_DIAL_TIMEOUT: "20s" } },
  ));
