/** Malformed and oversized input: a clear error, that connection closed, every other one unharmed, memory flat. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { type TwoPods, twoPods } from "../support/pods.js";
import { plain, RespClient, type RespValue } from "../support/resp-client.js";
import { hear, listen } from "../support/streams.js";

let pods: TwoPods;
let bystander: RespClient;
let listener: RespClient;
before(async () => {
  pods = await twoPods({ env: { KEYFRAME_REQUEST_TIMEOUT: "1s", KEYFRAME_MAX_BULK_BYTES: "1MiB" } });
  bystander = await RespClient.connect({ port: pods.a.port });
  listener = await listen(pods.a.port);
});
after(() => pods.stop());

/** Others go on as if nothing had happened. */
async function othersAreUnharmed(): Promise<void> {
  assert.equal(await bystander.text("SET", "k", "v"), "OK");
  assert.equal(await bystander.text("PUBLISH", "socketio", "still here"), 1);
  assert.deepEqual((await hear(listener, 1)).map(String), ["still here"]);
}

function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

const isError = (value: RespValue): string => String((plain(value) as { error?: string })?.error ?? plain(value));

const nested = "*1\r\n".repeat(50_000);
for (const [what, bytes, error] of [
  ["a count that is no number", "*x\r\n", /Protocol error: invalid multibulk length/],
  ["*99999999999", "*99999999999\r\n", /Protocol error: invalid multibulk length/],
  ["too many arguments", "*1048577\r\n", /Protocol error: .*1048576/],
  ["a length that is no number", "*1\r\n$:12a4\r\n", /Protocol error: invalid bulk length/],
  ["a bulk over the limit", "*2\r\n$3\r\nGET\r\n$1048577\r\n", /Protocol error: .*1048577 bytes.*1048576/],
  ["50,000 nested arrays", nested, /Protocol error: expected '\$', got '\*'/],
  ["an endless line", "P".repeat(70_000), /Protocol error: too big inline request/],
  ["unbalanced quotes", 'SET "k\r\n', /Protocol error: unbalanced quotes/],
  ["binary noise", Buffer.from(Array.from({ length: 3_000 }, (_, i) => (i * 7919) & 0xff)), /ERR|Protocol error/],
] as const) {
  test(`${what}`, async () => {
    const client = await RespClient.connect({ port: pods.a.port });
    client.send(typeof bytes === "string" ? bytes : bytes);
    assert.match(isError(await client.next()), error);
    if (what !== "binary noise") await client.closed();
    else await client.close();
    await othersAreUnharmed();
  });
}

test("half a request, then silence: an error after the time allowed, and the connection is closed", async () => {
  const client = await RespClient.connect({ port: pods.a.port });
  client.send("*2\r\n$3\r\nGET\r\n$5\r\nhal");
  assert.match(isError(await client.next()), /Protocol error: the rest of a request did not come within/);
  await client.closed();
  assert.ok((await pods.a.metric("keyframe_connections_closed_total", { reason: "timeout" })) >= 1);
  await othersAreUnharmed();
});

test("a PUBLISH without a payload, and with too much, is answered as the server does", async () => {
  const client = await RespClient.connect({ port: pods.a.port });
  assert.match(isError(await client.command("PUBLISH", "socketio")), /wrong number of arguments for 'publish'/);
  assert.match(
    isError(await client.command("PUBLISH", "socketio", "a", "b")),
    /wrong number of arguments for 'publish'/,
  );
  assert.equal(await client.text("PING"), "PONG");
  await client.close();
});

test("10,000 subscriptions on one connection, and out again", async () => {
  const names = Array.from({ length: 10_000 }, (_, i) => `socketio#/#room-${i}`);
  const client = await RespClient.connect({ port: pods.a.port, deadlineMs: 30_000 });
  client.request("SUBSCRIBE", ...names);
  const acks = await client.take(names.length);
  assert.deepEqual(plain(acks.at(-1) ?? null), ["subscribe", names.at(-1), 10_000]);
  assert.equal(await bystander.text("PUBLISH", "socketio#/#room-7777", "x"), 1);
  assert.deepEqual((await hear(client, 1)).map(String), ["x"]);
  client.request("UNSUBSCRIBE");
  await client.take(names.length);
  assert.equal(await client.text("PING"), "PONG");
  await client.close();
  await othersAreUnharmed();
});

test("a hundred kinds of abuse leave no memory behind", async () => {
  const abuse = async () => {
    const client = await RespClient.connect({ port: pods.a.port });
    client.send(`*3\r\n$7\r\nPUBLISH\r\n$8\r\nsocketio\r\n$1000000\r\n${"x".repeat(900_000)}`);
    await client.close();
    const other = await RespClient.connect({ port: pods.a.port });
    other.send("*1048576\r\n$1\r\n");
    await other.close();
  };
  for (let i = 0; i < 10; i++) await abuse();
  const before = residentBytes(pods.a.pid);
  for (let i = 0; i < 100; i++) await abuse();
  await othersAreUnharmed();
  const grown = residentBytes(pods.a.pid) - before;
  assert.ok(grown < 64 * 1024 * 1024, `grown by ${(grown / 1e6).toFixed(0)} MB after 90 MB of halves`);
});
