/** redis+sentinel://: real sentinels name the master, by its exact name; an unknown name is said, not guessed. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { freePort } from "../support/ports.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";

let master: Server;
let sentinel: Server;
let silent: number;

before(async () => {
  master = await startServer({ password: "hush" });
  sentinel = await startServer({
    sentinelConfig: `sentinel monitor mymaster 127.0.0.1 ${master.port} 1\nsentinel auth-pass mymaster hush`,
  });
  silent = await freePort();
});

after(async () => {
  await sentinel.stop();
  await master.stop();
});

const upstream = (name: string) => `redis+sentinel://:hush@127.0.0.1:${silent},127.0.0.1:${sentinel.port}/0/${name}`;

test("the second sentinel answers where the first is gone", async () => {
  const sidecar = await startSidecar({ upstream: upstream("mymaster") });
  try {
    await sidecar.ready();
    const app = await RespClient.connect({ port: sidecar.port });
    assert.equal(String(await app.text("SET", "k", "through sentinel")), "OK");
    assert.equal(await master.cli("GET", "k"), "through sentinel");
    app.close();
  } finally {
    await sidecar.stop();
  }
});

test("a master name in other letters is another master", async () => {
  const sidecar = await startSidecar({ upstream: upstream("MyMaster") });
  try {
    const said = await sidecar.logged("sentinel-unresolved");
    assert.match(JSON.stringify(said.answers), /does not know master/);
    const app = await RespClient.connect({ port: sidecar.port });
    assert.match(String(await app.text("GET", "k")), /no sentinel names a master/);
    app.close();
    assert.ok(!sidecar.logs.join("\n").includes("hush"), "no credential in the logs");
  } finally {
    await sidecar.stop();
  }
});
