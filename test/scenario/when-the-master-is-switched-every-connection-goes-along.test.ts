/**
 * SENTINEL FAILOVER while the old master lives and goes on to take writes for seconds: the sidecar hears of the switch and
 * leaves, trunk and idle app connections alike. No reply has told it so: the old master answers as before.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RespClient } from "../support/resp-client.js";
import { type Sentinels, startSentinels } from "../support/sentinels.js";
import type { Server } from "../support/server.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let group: Sentinels;
let sidecar: Sidecar;
before(async () => {
  group = await startSentinels({ password: "hush" });
  sidecar = await startSidecar({ upstream: group.url() });
  await sidecar.ready();
});
after(async () => {
  await sidecar.stop();
  await group.stop();
});

/** Names of the connections that a server has. */
async function clients(server: Server): Promise<string[]> {
  const list = await server.cli("CLIENT", "LIST");
  return [...list.matchAll(/ name=(\S*)/g)].map((match) => match[1]!).filter((name) => name !== "");
}
const ours = async (server: Server) => (await clients(server)).filter((name) => /^(keyframe-|app-)/.test(name)).sort();

test("a planned failover with the old master alive", async () => {
  const old = await group.masterServer();
  const app = await RespClient.connect({ port: sidecar.port });
  assert.equal(await app.text("CLIENT", "SETNAME", "app-idle"), "OK");
  assert.equal(await app.text("SET", "before", "1"), "OK");
  const listener = await RespClient.connect({ port: sidecar.port });
  await listener.text("SUBSCRIBE", "socketio");
  assert.deepEqual(await ours(old), ["app-idle", "keyframe-publisher", "keyframe-subscriber"]);

  const toPort = await group.failover();
  const switched = performance.now();
  const fresh = await group.masterServer();
  await eventually("nobody of ours is left at the old master", async () => (await ours(old)).length === 0, 2_000);
  await eventually(
    "the trunk is at the new one",
    async () => (await ours(fresh)).join(" ").includes("keyframe-publisher keyframe-subscriber"),
    2_000,
  );
  // The app either kept its connection, or has lost it as it would have without us, and dials again.
  const set = await app.text("SET", "after", "2").catch(() => undefined);
  if (set === undefined) {
    const again = await RespClient.connect({ port: sidecar.port });
    assert.equal(await again.text("SET", "after", "2"), "OK");
    await again.close();
  } else assert.equal(set, "OK");
  assert.ok(performance.now() - switched < 2_000, `${Math.round(performance.now() - switched)} ms`);
  assert.equal(await fresh.cli("GET", "after"), "2");
  // The premise: nothing but the sentinels could have told. Where this fails, the old master was demoted too soon.
  assert.match(await old.cli("ROLE"), /^master/);
  assert.equal(await old.cli("GET", "after"), "");

  const said = await sidecar.logged("master-switched");
  assert.deepEqual(
    { from: said.from, to: said.to, heard: said.heard },
    { from: `127.0.0.1:${old.port}`, to: `127.0.0.1:${toPort}`, heard: "sentinel" },
  );
  assert.equal(await sidecar.metric("keyframe_master_switches_total"), 1);

  await sidecar.ready();
  const publisher = await RespClient.connect({ port: sidecar.port });
  await publisher.text("PUBLISH", "socketio", "after the switch");
  const heard = (await listener.next(5_000)) as Buffer[];
  assert.equal(String(heard[2]), "after the switch");
  await publisher.close();
  await listener.close();
  await app.close();
});

test("a master that is killed is left for the new one as soon as the sentinels name it", async () => {
  await group.settled();
  const dead = await group.killMaster();
  // An app that asks in the middle waits for the new master as long as a dial may take, and no longer.
  const port = await group.agreed(dead.port);
  const named = performance.now();
  await eventually(
    "the sidecar is ready again",
    async () => (await fetch(`${sidecar.adminUrl}/readyz`)).status === 200,
    2_000,
  );
  const app = await RespClient.connect({ port: sidecar.port });
  assert.equal(await app.text("SET", "third", "3"), "OK");
  assert.ok(performance.now() - named < 2_000, `${Math.round(performance.now() - named)} ms`);
  assert.equal(await (await group.masterServer()).cli("GET", "third"), "3");
  assert.equal((await group.masterServer()).port, port);
  assert.equal(await sidecar.metric("keyframe_master_switches_total"), 2);
  assert.ok(!sidecar.logs.join("\n").includes("hush"));
  await app.close();
});

test("a sidecar that is told nothing follows an app's -READONLY: the old master was demoted under its connections", async () => {
  await group.settled();
  const rules = ["on", ">asks", "resetchannels", "-@all", "+auth", "+ping", "+sentinel|get-master-addr-by-name"];
  for (const sentinel of group.sentinels) await sentinel.cli("ACL", "SETUSER", "asks", "reset", ...rules);
  const env = { KEYFRAME_SENTINEL_USERNAME: "asks", KEYFRAME_SENTINEL_PASSWORD: "asks" };
  const deaf = await startSidecar({ upstream: group.url(), env });
  try {
    await deaf.ready();
    const app = await RespClient.connect({ port: deaf.port });
    assert.equal(await app.text("SET", "k", "old"), "OK");
    const old = await group.masterServer();
    const port = await group.failover();
    // By hand, before the sentinels do it: they would cut the connections as well.
    await old.cli("REPLICAOF", "127.0.0.1", String(port));
    assert.match(String(await app.text("SET", "k", "readonly")), /^-?READONLY/);
    const said = await deaf.logged("master-switched");
    assert.deepEqual({ to: said.to, heard: said.heard }, { to: `127.0.0.1:${port}`, heard: "suspicion" });
    const again = await RespClient.connect({ port: deaf.port });
    assert.equal(await again.text("SET", "k", "new"), "OK");
    assert.equal(await (await group.masterServer()).cli("GET", "k"), "new");
    await Promise.all([app.close(), again.close()]);
  } finally {
    await deaf.stop();
  }
});
