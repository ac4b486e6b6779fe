/** SIGTERM: the injector says that it is not ready, serves on while the API server still asks, and then leaves in order. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { startInjector } from "../support/injector.js";
import { eventually } from "../support/wait.js";
import { admission } from "../unit/injector/pods.js";

test("a terminated webhook serves through its delay, answers what it has begun, and ends with 0", async () => {
  const injector = await startInjector({ KEYFRAME_INJECTOR_DRAIN_DELAY: "1s" });
  const body = JSON.stringify(admission({ spec: { containers: [] } }));
  const readiness = async () => {
    const response = await fetch(`${injector.adminUrl}/readyz`);
    return { status: response.status, text: await response.text() };
  };
  assert.equal((await readiness()).status, 200);

  const { port, certs } = injector;
  const slow = request({
    ...{ host: "127.0.0.1", port, path: "/mutate", method: "POST", agent: false },
    ca: readFileSync(join(certs, "ca.crt")),
    headers: { "content-type": "application/json", "content-length": body.length },
  });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    slow.on("response", (response) => resolve(response.resume().statusCode));
    slow.on("error", reject);
  });
  slow.write(body.slice(0, 10));

  const ended = injector.stop();
  await eventually("it is not ready", async () => (await readiness()).text.includes("draining"));
  assert.equal((await injector.post(body)).status, 200);
  // Its end comes once no new connection is taken any more.
  await eventually("it takes no more connections", () =>
    injector.post(body).then(
      () => false,
      (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
    ),
  );
  slow.end(body.slice(10));
  assert.equal(await answered, 200);
  assert.equal(await ended, 0);
});
