/**
 * An old master that is started again without its replicaof says that it is a master until a sentinel tells it otherwise,
 * some 10 s later. A sentinel that was set up from an old configuration believes it. The sidecar does not.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startFaultProxy } from "../support/fault-proxy.js";
import { RespClient } from "../support/resp-client.js";
import { type Sentinels, startSentinels } from "../support/sentinels.js";
import { type Server, startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let group: Sentinels;
let old: Server;
let master: Server;
let stale: Server;
before(async () => {
  group = await startSentinels();
  const dead = await group.killMaster();
  await group.agreed(dead.port);
  master = await group.masterServer();
  old = await group.restart(dead.port);
  // The sentinels would put it right within seconds, and tell the stale one: here they cannot.
  await old.cli("ACL", "SETUSER", "default", "resetchannels", "-replicaof", "-slaveof");
  // As it was first written: epoch 0, and a quorum that it never has.
  stale = await startServer({ sentinelConfig: `sentinel monitor mymaster 127.0.0.1 ${old.port} 9` });
});
after(async () => {
  await stale.stop("SIGKILL");
  await group.stop();
});

for (const which of ["all real ones and the stale one", "the stale one and one real one"] as const) {
  test(`nobody goes to the one that came back, with ${which} in the URL`, async () => {
    const real = which.startsWith("all") ? group.sentinels : group.sentinels.slice(1, 2);
    const sidecar = await startSidecar({ upstream: group.url({ sentinels: [stale, ...real] }) });
    try {
      await sidecar.ready();
      const app = await RespClient.connect({ port: sidecar.port });
      assert.equal(await app.text("CLIENT", "SETNAME", "app-here"), "OK");
      assert.match(await master.cli("CLIENT", "LIST"), / name=app-here /);
      assert.match(await master.cli("CLIENT", "LIST"), / name=keyframe-publisher /);
      assert.doesNotMatch(await old.cli("CLIENT", "LIST"), / name=(app-here|keyframe-)/);
      await app.close();
      assert.equal(await sidecar.metric("keyframe_master_switches_total"), 0, "it was never taken for the master");
      // The premise, still: one sentinel names the old server, which says itself that it is a master.
      assert.equal(await group.master(stale), old.port);
      assert.match(await old.cli("ROLE"), /^master/);
    } finally {
      await sidecar.stop();
    }
  });
}

test("a replica that is named as the master is refused until it is one, and the app is told", async () => {
  const name = "behind";
  const replica = await startServer({ args: ["--replicaof", `127.0.0.1 ${master.port}`] });
  // Through a proxy, this sentinel is led to believe in an address that turns out to be a replica's.
  const proxy = await startFaultProxy({ target: master.port });
  const sentinel = await startServer({
    sentinelConfig: `sentinel monitor ${name} 127.0.0.1 ${proxy.port} 1\nsentinel down-after-milliseconds ${name} 60000`,
  });
  const sidecar = await startSidecar({
    upstream: `redis+sentinel://127.0.0.1:${sentinel.port}/0/${name}`,
    env: { KEYFRAME_DIAL_TIMEOUT: "500ms" },
  });
  try {
    await sidecar.ready();
    proxy.retarget(replica.port);
    proxy.cut((connection) => !connection.sent("sentinel"));
    const text = await eventually("the app is told", async () => {
      const app = await RespClient.connect({ port: sidecar.port });
      const said = String(await app.text("GET", "k").catch(() => ""));
      await app.close();
      return /is a replica/.test(said) ? said : undefined;
    });
    assert.match(
      text,
      new RegExp(`the sentinels name 127.0.0.1:${proxy.port} as master "behind", but it is a replica`),
    );
    assert.ok((await sidecar.metric("keyframe_master_refusals_total", { reason: "not_master" })) > 0);
    assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);
    proxy.retarget(master.port);
    await sidecar.ready();
  } finally {
    await sidecar.stop();
    await sentinel.stop("SIGKILL");
    await proxy.stop();
    await replica.stop("SIGKILL");
  }
});
