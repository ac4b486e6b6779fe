/**
 * What every other scenario stands on: a real server, a raw client, and a proxy that does harm. No sidecar here.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type FaultProxy, startFaultProxy } from "../support/fault-proxy.js";
import { plain, RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";

let server: Server;
let proxy: FaultProxy;
before(async () => {
  server = await startServer({ password: "a secret" });
  proxy = await startFaultProxy({ target: server.port });
});
after(async () => {
  await proxy.stop();
  await server.stop();
});

async function login(port: number): Promise<RespClient> {
  const client = await RespClient.connect({ port });
  assert.equal(await client.text("AUTH", "a secret"), "OK");
  return client;
}

test("the server's own client answers", async () => {
  assert.equal(await server.cli("SET", "k", "two words"), "OK");
  assert.equal(await server.cli("GET", "k"), "two words");
});

test("messages arrive in order, and the fence shows that nothing else came", async () => {
  const subscriber = await login(server.port);
  const publisher = await login(server.port);
  assert.deepEqual(await subscriber.text("SUBSCRIBE", "c"), ["subscribe", "c", 1]);
  const payload = Buffer.from([0, 13, 10, 255]);
  for (let i = 0; i < 3; i++) assert.equal(await publisher.command("PUBLISH", "c", payload), 1);
  for (const message of await subscriber.take(3)) {
    assert.ok(Array.isArray(message) && payload.equals(message[2] as Buffer));
  }
  assert.deepEqual(await subscriber.fence(), []);
  await publisher.command("PUBLISH", "c", "late");
  assert.deepEqual((await subscriber.fence()).map(plain), [["message", "c", "late"]]);
  await Promise.all([subscriber.close(), publisher.close()]);
});

test("a reply is told from RESP3 pushes that come before it", async () => {
  const client = await login(server.port);
  await client.command("HELLO", 3);
  client.request("SUBSCRIBE", "own");
  assert.deepEqual(plain(await client.next()), { push: ["subscribe", "own", 1] });
  assert.equal(await client.command("PUBLISH", "own", "x"), 1);
  assert.deepEqual(plain(await client.next()), { push: ["message", "own", "x"] });
  await client.close();
});

test("the proxy passes bytes, holds them, cuts and refuses", async () => {
  const client = await login(proxy.port);
  assert.equal(proxy.connections().length, 1);
  assert.ok(proxy.connections()[0]?.sent("auth"));
  proxy.pause("down");
  client.request("PING");
  await assert.rejects(client.next(100), /no value within/);
  proxy.resume();
  assert.equal(await client.next(), "PONG");
  proxy.delay(30);
  const began = performance.now();
  for (let i = 0; i < 20; i++) client.request("ECHO", String(i));
  assert.deepEqual(
    (await client.take(20)).map(plain),
    Array.from({ length: 20 }, (_, i) => String(i)),
  );
  const took = performance.now() - began;
  assert.ok(took >= 55 && took < 1_000, `two ways of 30 ms took ${took} ms`);
  proxy.delay(0);
  assert.equal(proxy.cut(), 1);
  await client.closed();
  proxy.refuse(true);
  await assert.rejects(login(proxy.port));
  proxy.refuse(false);
  await (await login(proxy.port)).close();
});

test("a server that is told to fail says so with its own words", async () => {
  await assert.rejects(startServer({ args: ["--no-such-option", "1"] }), /no-such-option/i);
});
