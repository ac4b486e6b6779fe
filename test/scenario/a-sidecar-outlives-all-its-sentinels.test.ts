/** No sentinel answers at all: apps get an error at once, the trunk asks ever more slowly, and all comes back by itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort } from "../support/ports.js";
import { RespClient } from "../support/resp-client.js";
import { startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

test("sentinels that are not there yet, come, freeze, and come back", async () => {
  const master = await startServer();
  const port = await freePort();
  const sentinelConfig = `sentinel monitor mymaster 127.0.0.1 ${master.port} 1`;
  const sidecar = await startSidecar({
    upstream: `redis+sentinel://127.0.0.1:${port}/0/mymaster`,
    env: { KEYFRAME_SENTINEL_TIMEOUT: "200ms", KEYFRAME_DIAL_TIMEOUT: "1s" },
  });
  const answer = async (): Promise<string> => {
    const app = await RespClient.connect({ port: sidecar.port });
    const text = String(await app.text("PING").catch((error: Error) => error.message));
    await app.close();
    return text;
  };
  const unresolved = () => sidecar.logs.filter((line) => line.includes('"sentinel-unresolved"')).length;
  let sentinel: Awaited<ReturnType<typeof startServer>> | undefined;
  try {
    assert.match(await answer(), /no sentinel names a master: 127\.0\.0\.1:\d+: connect ECONNREFUSED/);
    assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);

    sentinel = await startServer({ sentinelConfig, port });
    await sidecar.ready();
    assert.equal(await answer(), "PONG");

    // Frozen: it accepts connections and says nothing.
    process.kill(sentinel.pid, "SIGSTOP");
    await eventually("its silence is told to new connections", async () =>
      /no answer within 200 ms/.test(await answer()),
    );
    assert.ok((await sidecar.metric("keyframe_sentinel_timeouts_total")) > 0);
    await eventually(
      "its silence is noticed by the watch",
      async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === 0,
    );
    // What is connected stays connected: a sentinel is not needed for that.
    assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 200);
    const began = unresolved();
    await Promise.all(Array.from({ length: 50 }, answer));
    assert.ok(unresolved() - began <= 2, "the log does not repeat itself");
    process.kill(sentinel.pid, "SIGCONT");
    await eventually("new connections are served again", async () => (await answer()) === "PONG");
    await eventually(
      "it is heard again",
      async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === 1,
    );
    const before = performance.now();
    assert.equal(await sidecar.stop(), 0);
    assert.ok(performance.now() - before < 5_000, "no handle keeps the process");
  } finally {
    await sidecar.stop();
    await sentinel?.stop("SIGKILL");
    await master.stop();
  }
});
