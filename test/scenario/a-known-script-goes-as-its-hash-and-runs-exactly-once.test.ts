/** Accident 14 and its kin: what the server gets for an EVAL, and that a script never runs twice or out of its place. */
import assert from "node:assert/strict";
import { after, before, beforeEach, type TestContext, test } from "node:test";
import { userWith } from "../support/acl.js";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { plain, RespClient } from "../support/resp-client.js";
import { encodeRequest } from "../support/resp-values.js";
import { type Server, startServer } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

const PADDING = `-- ${"a comment that makes it long ".repeat(4)}\n`;
/** Long enough to be worth it; no two tests share one. */
let made = 0;
const increment = () => `-- ${made++}\n${PADDING}return redis.call('INCRBY',KEYS[1],ARGV[1])`;

let server: Server;
let proxy: FaultProxy;
let sidecar: Sidecar;
let app: RespClient;
before(async () => {
  server = await startServer();
  proxy = await startFaultProxy({ target: server.port });
  sidecar = await startSidecar({ upstream: proxy.url });
  await sidecar.ready();
  app = await RespClient.connect({ port: sidecar.port });
});
after(async () => {
  await app.close();
  await sidecar.stop();
  await proxy.stop();
  await server.stop();
});
beforeEach(async () => {
  assert.equal(await server.cli("FLUSHALL"), "OK");
});

/** How often the server was sent EVAL and EVALSHA, the sidecar's own included, since `since`. */
async function calls(since: { eval: number; evalsha: number } = { eval: 0, evalsha: 0 }) {
  const info = await server.cli("INFO", "commandstats");
  const of = (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
  return { eval: of("eval") - since.eval, evalsha: of("evalsha") - since.evalsha };
}

/** One more sidecar and an app of its own, ended with the test. */
async function another(t: TestContext, upstream: string, env = {}): Promise<[Sidecar, RespClient]> {
  const started = await startSidecar({ upstream, env });
  t.after(() => started.stop());
  const client = await RespClient.connect({ port: started.port });
  t.after(() => client.close());
  return [started, client];
}

const fallbacks = (reason: string, of = sidecar) => of.metric("keyframe_script_fallbacks_total", { reason });

test("the first time the body goes, then its hash; the metrics say what that has saved", async () => {
  const script = increment();
  const started = await calls();
  const sent = () => sidecar.metric("keyframe_script_calls_total", { form: "sha" });
  const [savedBefore, sentBefore] = [await sidecar.metric("keyframe_script_saved_bytes_total"), await sent()];
  for (let i = 1; i <= 5; i++) assert.equal(await app.text("EVAL", script, 1, "n", 1), i);
  assert.deepEqual(await calls(started), { eval: 1, evalsha: 4 });
  assert.equal((await sent()) - sentBefore, 4);
  const long = encodeRequest(["EVAL", script, 1, "n", 1]).length;
  const short = encodeRequest(["EVALSHA", "f".repeat(40), 1, "n", 1]).length;
  const saved = (await sidecar.metric("keyframe_script_saved_bytes_total")) - savedBefore;
  assert.equal(saved, 4 * (long - short));
  assert.ok((await sidecar.metric("keyframe_script_bytes")) >= script.length);
});

test("a body that another connection has sent is known too; one that differs in a byte is not", async () => {
  const script = increment();
  const other = await RespClient.connect({ port: sidecar.port });
  const started = await calls();
  assert.equal(await app.text("EVAL", script, 1, "n", 1), 1);
  assert.equal(await other.text("EVAL", script, 1, "n", 1), 2);
  assert.deepEqual(await calls(started), { eval: 1, evalsha: 1 });
  assert.equal(await other.text("EVAL", `${script} `, 1, "n", 1), 3);
  assert.deepEqual(await calls(started), { eval: 2, evalsha: 1 });
  await other.close();
});

test("a server that has forgotten the script gets it whole, and runs it once", async () => {
  const script = increment();
  for (let i = 1; i <= 2; i++) await app.command("EVAL", script, 1, "n", 1);
  const [started, counted] = [await calls(), await fallbacks("unknown")];
  await server.cli("SCRIPT", "FLUSH", "SYNC");
  assert.equal(await app.text("EVAL", script, 1, "n", 1), 3);
  assert.equal(await app.text("EVAL", script, 1, "n", 1), 4);
  assert.deepEqual(await calls(started), { eval: 1, evalsha: 2 });
  assert.equal(await server.cli("GET", "n"), "4");
  assert.equal((await fallbacks("unknown")) - counted, 1);
});

test("in a transaction, in a pipeline, behind WATCH and behind what is unanswered it goes as it came, known or not", async () => {
  const script = increment();
  for (let i = 1; i <= 2; i++) await app.command("EVAL", script, 1, "n", 1);
  for (const flush of [false, true]) {
    await server.cli("SET", "n", "0");
    if (flush) await server.cli("SCRIPT", "FLUSH", "SYNC");
    const started = await calls();
    assert.equal(await app.text("MULTI"), "OK");
    assert.equal(await app.text("EVAL", script, 1, "n", 1), "QUEUED");
    assert.deepEqual(await app.text("EXEC"), [1]);
    app.send(Buffer.concat([encodeRequest(["EVAL", script, 1, "n", 1]), encodeRequest(["GET", "n"])]));
    assert.deepEqual((await app.take(2)).map(plain), [2, "2"]);
    app.send(Buffer.concat([encodeRequest(["GET", "n"]), encodeRequest(["EVAL", script, 1, "n", 1])]));
    assert.deepEqual((await app.take(2)).map(plain), ["2", 3]);
    assert.equal(await app.text("WATCH", "n"), "OK");
    assert.equal(await app.text("EVAL", script, 1, "n", 1), 4);
    assert.equal(await app.text("UNWATCH"), "OK");
    app.request("BLPOP", "none", "0.2");
    await eventually("it waits", async () => (await server.cli("INFO", "clients")).includes("blocked_clients:1"));
    app.request("EVAL", script, 1, "n", 1);
    assert.deepEqual((await app.take(2)).map(plain), [null, 5]);
    assert.deepEqual(await calls(started), { eval: 5, evalsha: 0 });
  }
});

test("what comes behind it waits for it, also where it has to be sent twice", async () => {
  const script = increment();
  const client = await RespClient.connect({ port: sidecar.port });
  for (let i = 1; i <= 2; i++) await client.command("EVAL", script, 1, "n", 1);
  const upstream = proxy.connections().at(-1)!;
  const counted = await fallbacks("unknown");
  await server.cli("SCRIPT", "FLUSH", "SYNC");
  proxy.pause("up", (one) => one.id === upstream.id);
  const sent = upstream.bytes.up;
  client.request("EVAL", script, 1, "n", 1);
  await eventually("the hash is on its way", () => upstream.bytes.up > sent);
  const held = upstream.bytes.up;
  client.send(
    Buffer.concat(
      [
        ["GET", "n"],
        ["INCR", "n"],
        ["PUBLISH", "socketio", "x"],
      ].map((one) => encodeRequest(one)),
    ),
  );
  client.request("EVAL", script, 1, "n", 10);
  proxy.resume();
  assert.deepEqual((await client.take(5)).map(plain), [3, "3", 4, 0, 14]);
  assert.ok(held - sent < script.length, "the hash went first");
  assert.equal((await fallbacks("unknown")) - counted, 1);
  await client.close();
});

test("when the server goes while a script runs, the app's connection ends, and the script has run at most once", async () => {
  const script = increment();
  const client = await RespClient.connect({ port: sidecar.port });
  for (let i = 1; i <= 2; i++) await client.command("EVAL", script, 1, "n", 1);
  const upstream = proxy.connections().at(-1)!;
  proxy.pause("down", (one) => one.id === upstream.id);
  client.request("EVAL", script, 1, "n", 1);
  await eventually("it has run", async () => (await server.cli("GET", "n")) === "3");
  assert.equal(
    proxy.cut((one) => one.id === upstream.id),
    1,
  );
  proxy.resume();
  await client.closed();
  assert.equal(await app.text("EVAL", script, 1, "n", 1), 4);
});

test("an answer of the script's own that reads like the server's does not make it run again", async () => {
  for (const word of ["NOSCRIPT No matching script", "NOPERM no permissions to run the 'evalsha' command"]) {
    await server.cli("SET", "n", "0");
    const script = `${PADDING}redis.call('INCR','n') return redis.error_reply("${word}")`;
    for (let i = 1; i <= 3; i++) {
      app.request("EVAL", script, 0);
      assert.match(String(plain(await app.next())), new RegExp(word.slice(0, 6)));
      assert.equal(await server.cli("GET", "n"), String(i));
    }
  }
});

test("whoever may send EVAL and not EVALSHA is served, and not tried with every script", async (t) => {
  const upstream = await userWith(server, "plain", ["~*", "&*", "+@all", "-evalsha"]);
  const [denied, client] = await another(t, upstream);
  const script = increment();
  for (let i = 1; i <= 4; i++) assert.equal(await client.text("EVAL", script, 1, "n", 1), i);
  assert.equal(await server.cli("GET", "n"), "4");
  assert.equal(await fallbacks("denied", denied), 1);
  await denied.logged("evalsha-denied");
  assert.equal(await denied.metric("keyframe_script_saved_bytes_total"), 0);
});

for (const [how, env] of [
  ["switched off", { KEYFRAME_SCRIPTS: "0" }],
  ["a sidecar that is a plain proxy", { KEYFRAME_FRAMES: "off" }],
  ["no room for any body", { KEYFRAME_SCRIPT_BYTES: "1KiB" }],
] as const) {
  test(`${how}: every EVAL goes as it is`, async (t) => {
    const [other, client] = await another(t, server.url, env);
    const script = `${increment()} ${" ".repeat(1024)}`;
    const started = await calls();
    for (let i = 1; i <= 3; i++) assert.equal(await client.text("EVAL", script, 1, "n", 1), i);
    assert.equal((await calls(started)).eval, 3);
    const hits = await other.metric("keyframe_limit_hits_total", { limit: "scriptBytes" });
    assert.equal(hits, "KEYFRAME_SCRIPT_BYTES" in env ? 3 : 0);
  });
}

test("more scripts than the table holds: the oldest go whole again, and the limit is counted", async (t) => {
  const [other, client] = await another(t, server.url, { KEYFRAME_SCRIPTS: "2" });
  const scripts = [increment(), increment(), increment()];
  for (let i = 0; i < 9; i++) assert.equal(await client.text("EVAL", scripts[i % 3]!, 1, "n", 1), i + 1);
  assert.equal(await other.metric("keyframe_script_calls_total", { form: "sha" }), 0);
  assert.equal(await other.metric("keyframe_limit_hits_total", { limit: "scripts" }), 7);
  assert.equal(await other.metric("keyframe_scripts"), 2);
});
