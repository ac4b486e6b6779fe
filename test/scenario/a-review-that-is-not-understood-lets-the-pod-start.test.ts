/**
 * The webhook never blocks a pod: whatever is sent to it is answered with `allowed: true`, or not at all where not even
 * TLS is spoken; it is counted, and the next request is served.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { type Injector, startInjector } from "../support/injector.js";
import { eventually, within } from "../support/wait.js";
import { admission } from "../unit/injector/pods.js";

let injector: Injector;
before(async () => {
  injector = await startInjector({ KEYFRAME_INJECTOR_REQUEST_TIMEOUT: "500ms" });
});
after(() => injector.stop());

const pod = (padding = 0) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "open-webui", annotations: { "keyframe.dev/inject": "true", padding: "x".repeat(padding) } },
  spec: {
    containers: [
      {
        name: "open-webui",
        image: "open-webui",
        env: [{ name: "WEBSOCKET_REDIS_URL", value: "redis://valkey:6379/1" }],
      },
    ],
  },
});

interface Response {
  apiVersion: string;
  kind: string;
  response: { uid: string; allowed: boolean; warnings?: string[]; patch?: string };
}

async function reviewed(body: unknown, agent?: Agent): Promise<Response> {
  const text = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const answer = await within("the answer", injector.post(text, { ...(agent && { agent }) }), 10_000);
  assert.equal(answer.status, 200);
  const review = JSON.parse(answer.body) as Response;
  assert.equal(review.kind, "AdmissionReview");
  assert.equal(review.response.allowed, true);
  return review;
}

const counted = (reason: string) => injector.metric("keyframe_injector_reviews_total", { reason });

async function stillServes(): Promise<void> {
  const { response } = await reviewed(admission(pod()));
  assert.ok(response.patch !== undefined);
  assert.equal(response.warnings, undefined);
}

const good = admission(pod());
const odd: [string, string, unknown, RegExp][] = [
  ["malformed JSON", "malformed", '{"apiVersion": "admission.k8s.io/v1", ', /not an AdmissionReview/],
  ["no bytes at all", "malformed", "", /not an AdmissionReview/],
  ["bytes that are no text", "malformed", Buffer.from([0xff, 0xfe, 0x00, 0x80]), /not an AdmissionReview/],
  ["JSON of another kind", "malformed", { kind: "List", items: [] }, /kind is not AdmissionReview/],
  ["nested beyond reason", "malformed", `${"[".repeat(200_000)}${"]".repeat(200_000)}`, /not an AdmissionReview/],
  ["no request", "malformed", { ...good, request: null }, /no request/],
  ["an older version", "wrong_version", { ...good, apiVersion: "admission.k8s.io/v1beta1" }, /another version/],
  [
    "another kind",
    "not_a_pod",
    { ...good, request: { ...good.request, kind: { group: "apps", version: "v1", kind: "Deployment" } } },
    /not about a pod/,
  ],
  [
    "another operation",
    "not_create",
    { ...good, request: { ...good.request, operation: "UPDATE" } },
    /creation of a pod/,
  ],
  ["a pod without containers", "malformed_pod", admission({ ...pod(), spec: {} }), /spec.containers/],
  ["a pod of numbers", "malformed_pod", admission(42), /not an object/],
  ["more than the limit", "too_large", admission(pod(5 * 1024 * 1024)), /too large/],
];

for (const [what, reason, body, words] of odd) {
  test(`${what} is let through, with a warning and a count`, async () => {
    const before = await counted(reason);
    const { response, apiVersion } = await reviewed(body);
    assert.match(response.warnings![0]!, words);
    assert.equal(response.patch, undefined);
    if (reason === "wrong_version") assert.equal(apiVersion, "admission.k8s.io/v1beta1");
    if (reason.startsWith("not_")) assert.equal(response.uid, good.request.uid);
    assert.equal(await counted(reason), before + 1);
    await stillServes();
  });
}

test("a pod of 1 MB is given its sidecar", async () => {
  const body = JSON.stringify(admission(pod(1_000_000)));
  const { response } = await reviewed(body);
  assert.ok(response.patch !== undefined);
  assert.ok(response.patch.length < 20_000, "the patch holds what has changed");
});

test("what is too large leaves its connection in order", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await reviewed(admission(pod(5 * 1024 * 1024)), agent);
  await reviewed(good, agent);
  agent.destroy();
});

test("a request of any type, or of none that exists, is looked at or let through", async () => {
  for (const [type, patched] of [
    ["text/plain", true],
    ["application/json; charset=latin1", true],
    ["///", undefined],
    ["", undefined],
  ] as const) {
    const { status, body } = await injector.post(JSON.stringify(good), { headers: { "content-type": type } });
    assert.equal(status, 200, type);
    const { response } = JSON.parse(body) as Response;
    assert.equal(response.allowed, true);
    if (patched) assert.ok(response.patch !== undefined, type);
  }
});

test("other paths and methods are not found", async () => {
  assert.equal((await injector.post("{}", { path: "/" })).status, 404);
});

/** Sends bytes on a plain connection and waits for its end. */
function thrown(bytes: Buffer, half: boolean): Promise<void> {
  return within(
    "the connection's end",
    new Promise((resolve) => {
      const socket = connect(injector.port, "127.0.0.1", () => (half ? socket.write(bytes) : socket.end(bytes)));
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.resume();
    }),
    10_000,
  );
}

test("what is not TLS, or ends in its middle, or says nothing, harms nobody", async () => {
  // The first bytes of a ClientHello that announces 512.
  const hello = Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]), Buffer.alloc(40)]);
  const before = await injector.metric("keyframe_injector_tls_errors_total");
  await Promise.all([
    thrown(Buffer.from("POST /mutate HTTP/1.1\r\nHost: x\r\n\r\n"), false),
    thrown(hello, false),
    thrown(hello, true),
    thrown(Buffer.alloc(0), true),
    thrown(Buffer.alloc(100_000, 0x16), false),
  ]);
  await eventually(
    "they are counted",
    async () => (await injector.metric("keyframe_injector_tls_errors_total")) >= before + 4,
  );
  await stillServes();
});

test("a request that ends in its middle or never ends is ended", async () => {
  const ca = readFileSync(join(injector.certs, "ca.crt"));
  const speak = (text: string, end: boolean) =>
    within(
      "the connection's end",
      new Promise<string>((resolve) => {
        let heard = "";
        const socket = connectTls({ host: "127.0.0.1", port: injector.port, ca, servername: "localhost" }, () => {
          if (end) socket.end(text);
          else socket.write(text);
        });
        socket.on("data", (chunk) => {
          heard += chunk;
        });
        socket.on("error", () => {});
        socket.on("close", () => resolve(heard));
      }),
      // Node looks for requests that are overdue every 30 s by itself; the limit here is what is promised.
      40_000,
    );
  const begun = "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
  await speak(begun, true);
  const [slow] = await Promise.all([speak(begun, false), speak("POST /mu", false)]);
  assert.match(slow, /^HTTP\/1.1 408/);
  await stillServes();
});

test("none of it was a fault of the injector's own", async () => {
  assert.equal(await counted("internal_error"), 0);
  assert.deepEqual(
    injector.logs.filter((line) => line.includes('"level":"error"')),
    [],
  );
});
