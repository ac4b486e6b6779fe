/** The status server over real sockets: what it answers, what it refuses, and that closing ends kept-alive connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { type AdminOptions, startAdmin } from "../../../src/admin/server.js";
import { type LogFields, silentLog } from "../../../src/core/ports.js";

async function started(t: TestContext, options: Partial<AdminOptions> = {}) {
  const admin = await startAdmin({
    host: "127.0.0.1",
    port: 0,
    ready: () => ({ ready: true, reasons: [] }),
    metrics: { contentType: "text/plain; version=0.0.4", render: async () => "m 1\n" },
    log: silentLog,
    ...options,
  });
  t.after(() => admin.close());
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://${admin.address}${path}`, init);
    return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
  };
  return { admin, ask };
}

describe("the status server", () => {
  it("says that the process runs", async (t) => {
    const { ask } = await started(t);
    const { status, body } = await ask("/healthz");
    assert.deepEqual({ status, body }, { status: 200, body: "ok" });
  });

  it("says whether the sidecar is ready, and why not", async (t) => {
    let state = { ready: true, reasons: [] as string[] };
    const { ask } = await started(t, { ready: () => state });
    assert.deepEqual(await ask("/readyz").then(({ status, body }) => [status, JSON.parse(body)]), [200, state]);
    state = { ready: false, reasons: ["the subscriber is not connected"] };
    assert.deepEqual(await ask("/readyz").then(({ status, body }) => [status, JSON.parse(body)]), [503, state]);
  });

  it("is not ready when the check throws, and tells the log, not the caller", async (t) => {
    const logged: [string, LogFields | undefined][] = [];
    const log = { ...silentLog, error: (event: string, fields?: LogFields) => void logged.push([event, fields]) };
    const ready = () => {
      throw new Error("redis://u:p@h");
    };
    const { ask } = await started(t, { ready, log });
    const { status, body } = await ask("/readyz");
    assert.equal(status, 503);
    assert.deepEqual(JSON.parse(body), { ready: false, reasons: ["the readiness check failed"] });
    assert.equal(logged[0]?.[0], "readiness-error");
  });

  it("serves the scrape under its own content type", async (t) => {
    const { ask } = await started(t);
    assert.deepEqual(await ask("/metrics"), { status: 200, type: "text/plain; version=0.0.4", body: "m 1\n" });
  });

  it("answers 500 without details when the scrape fails", async (t) => {
    const render = async () => Promise.reject(new Error("secret detail"));
    const { ask } = await started(t, { metrics: { contentType: "text/plain", render } });
    const { status, body } = await ask("/metrics");
    assert.equal(status, 500);
    assert.deepEqual(JSON.parse(body), { error: "internal error" });
  });

  it("answers everything else with 404 in JSON", async (t) => {
    const { ask } = await started(t);
    const json = { "content-type": "application/json" };
    for (const [path, init] of [
      ["/", {}],
      ["/metrics/", {}],
      ["/healthz/../x", {}],
      ["/%zz", {}],
      ["/readyz", { method: "POST", body: "{", headers: json }],
      ["/readyz", { method: "PUT", body: "x".repeat(5000), headers: { "content-type": "application/x-odd" } }],
      ["/metrics", { method: "DELETE" }],
      ["/metrics", { method: "OPTIONS" }],
    ] as const) {
      const { status, type, body } = await ask(path, init);
      assert.equal(status, 404, `${path} ${JSON.stringify(init)}`);
      assert.match(type ?? "", /^application\/json/);
      assert.deepEqual(JSON.parse(body), { error: "not found" });
    }
    assert.equal((await ask("/healthz", { method: "HEAD" })).status, 404);
  });

  it("does not say what it is made of", async (t) => {
    const { admin } = await started(t);
    const { headers } = await fetch(`http://${admin.address}/healthz`);
    assert.equal(headers.get("server"), null);
    assert.equal(headers.get("x-powered-by"), null);
  });

  it("writes an IPv6 address with brackets", async (t) => {
    const { admin, ask } = await started(t, { host: "::1" }).catch(() => ({ admin: undefined, ask: undefined }));
    if (admin === undefined) return t.skip("this host has no IPv6 loopback");
    assert.match(admin.address, /^\[::1\]:\d+$/);
    assert.equal((await ask("/healthz")).status, 200);
  });

  it("rejects when the address is taken", async (t) => {
    const { admin } = await started(t);
    const port = Number(admin.address.split(":")[1]);
    await assert.rejects(started(t, { port }), { code: "EADDRINUSE" });
  });

  it("ends kept-alive and half-open connections when it is closed", async (t) => {
    const { admin } = await started(t);
    const [host, port] = admin.address.split(":") as [string, string];
    const [alive, half] = [connect(Number(port), host), connect(Number(port), host)];
    // A reset is as good an end as any.
    for (const socket of [alive, half]) socket.on("error", () => {});
    await Promise.all([once(alive, "connect"), once(half, "connect")]);
    alive.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    half.write("GET /hea");
    await once(alive, "data");
    const ended = Promise.all([
      new Promise((done) => alive.resume().on("close", done)),
      new Promise((done) => half.resume().on("close", done)),
    ]);
    const from = performance.now();
    await admin.close();
    await ended;
    assert.ok(performance.now() - from < 1500);
  });
});
