/**
 * The end of the injector's work: a pod is reviewed, the variables of the patched pod are worked out as a kubelet does,
 * and exactly its processes are started: the sidecar with its arguments and its environment, and redis-py with the app's.
 * Only the two ports are others, the same ones on both sides, because tests share one machine and pods do not.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import type { Pod } from "../../src/injector/pod.js";
import { ownSidecar } from "../../src/injector/record.js";
import { freePorts } from "../support/ports.js";
import { python } from "../support/python.js";
import { RespClient } from "../support/resp-client.js";
import { type Sentinels, startSentinels } from "../support/sentinels.js";
import { cleanEnv, type Sidecar, startSidecar } from "../support/sidecar.js";
import { environment, type Stored } from "../unit/injector/kubelet.js";
import { answered, settings } from "../unit/injector/pods.js";

const PASSWORD = "pass/word&more";
let sentinels: Sentinels;
before(async () => {
  sentinels = await startSentinels({ replicas: 1, sentinels: 1, password: PASSWORD });
});
after(() => sentinels.stop());

type Env = Record<string, string>;
interface Running {
  sidecar: Sidecar;
  app: Env;
}

async function started(pod: unknown, stored: Stored): Promise<Running> {
  const { patched, reason } = answered(pod, settings());
  assert.equal(reason, "injected");
  const container = ownSidecar(patched as Pod)!;
  const [port, admin] = (await freePorts(2)) as [number, number];
  const moved = (env: Env): Env =>
    Object.fromEntries(
      Object.entries(env).map(([name, value]) => [
        name,
        value.replaceAll("127.0.0.1:6380", `127.0.0.1:${port}`).replaceAll(":9465", `:${admin}`),
      ]),
    );
  const env = moved(environment(container, stored));
  const { KEYFRAME_UPSTREAM: upstream = "" } = env;
  assert.deepEqual(container.args, ["sidecar"]);
  const sidecar = await startSidecar({ upstream, env: { ...env, KEYFRAME_LISTEN: `127.0.0.1:${port}` } });
  try {
    assert.equal(sidecar.adminUrl, `http://0.0.0.0:${admin}`);
    await sidecar.ready();
  } catch (error) {
    await sidecar.stop();
    throw error;
  }
  return { sidecar, app: moved(environment((patched as Pod).spec.containers[0]!, stored)) };
}

/** What Open WebUI does at its start with each of its URLs, with the real client: sentinels if there are any, else the URL. */
const SCRIPT = `
import json, os, redis
from urllib.parse import urlparse
said = {}
for name, hosts in (("WEBSOCKET_REDIS_URL", "WEBSOCKET_SENTINEL_HOSTS"), ("REDIS_URL", "REDIS_SENTINEL_HOSTS")):
    url = os.environ.get(name)
    if not url: continue
    assert not os.environ.get(hosts), hosts + " is still set"
    assert urlparse(url).hostname == "127.0.0.1" and urlparse(url).password is None, url
    client = redis.Redis.from_url(url)
    client.set("written-by", name)
    listener = client.pubsub()
    listener.subscribe("socketio")
    listener.get_message(timeout=5)
    client.publish("socketio", name)
    said[name] = listener.get_message(timeout=5)["data"].decode()
print(json.dumps(said))
`;

function run(app: Env): Record<string, string> {
  const result = spawnSync(python("py-new-redis8"), ["-c", SCRIPT], {
    env: { ...cleanEnv(), ...app },
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout) as Record<string, string>;
}

/** What the master itself holds in a database. */
async function written(db: number): Promise<string> {
  const client = await RespClient.connect({ port: await sentinels.master() });
  try {
    await client.text("AUTH", PASSWORD);
    await client.text("SELECT", String(db));
    return String(await client.text("GET", "written-by"));
  } finally {
    client.close();
  }
}

const pod = (env: object[]) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "open-webui", annotations: { "keyframe.dev/inject": "true" } },
  spec: { containers: [{ name: "open-webui", image: "ghcr.io/open-webui/open-webui:0.12.4", env }] },
});
const fromSecret = (key: string) => ({ valueFrom: { secretKeyRef: { name: "redis", key } } });
const fromConfig = (key: string) => ({ valueFrom: { configMapKeyRef: { name: "redis-config", key } } });

test("two databases behind sentinels, with parts of everything from a Secret and a ConfigMap", async () => {
  const stored = {
    redis: { password: encodeURIComponent(PASSWORD) },
    "redis-config": { hosts: "127.0.0.1", port: String(sentinels.sentinels[0]!.port) },
  };
  const { sidecar, app } = await started(
    pod([
      { name: "REDIS_PASSWORD", ...fromSecret("password") },
      { name: "REDIS_SENTINEL_HOSTS", ...fromConfig("hosts") },
      { name: "REDIS_SENTINEL_PORT", ...fromConfig("port") },
      { name: "REDIS_URL", value: "redis://:$(REDIS_PASSWORD)@mymaster:6379/0" },
      { name: "WEBSOCKET_SENTINEL_HOSTS", ...fromConfig("hosts") },
      { name: "WEBSOCKET_SENTINEL_PORT", ...fromConfig("port") },
      { name: "WEBSOCKET_REDIS_URL", value: "redis://:$(REDIS_PASSWORD)@mymaster:6379/1" },
    ]),
    stored,
  );
  try {
    assert.deepEqual(run(app), { WEBSOCKET_REDIS_URL: "WEBSOCKET_REDIS_URL", REDIS_URL: "REDIS_URL" });
    assert.equal(await written(0), "REDIS_URL");
    assert.equal(await written(1), "WEBSOCKET_REDIS_URL");
    assert.equal(await sidecar.metric("keyframe_frames_total", { direction: "in" }), 2);
    assert.ok(!sidecar.logs.join("\n").includes(PASSWORD));
  } finally {
    await sidecar.stop();
  }
});

test("a whole URL from a Secret, whose database nobody but the sidecar sees", async () => {
  const url = `redis://default:${encodeURIComponent(PASSWORD)}@127.0.0.1:${await sentinels.master()}/2`;
  const { sidecar, app } = await started(pod([{ name: "WEBSOCKET_REDIS_URL", ...fromSecret("url") }]), {
    redis: { url },
  });
  try {
    assert.equal(app.WEBSOCKET_REDIS_URL?.split("/").length, 3);
    assert.deepEqual(run(app), { WEBSOCKET_REDIS_URL: "WEBSOCKET_REDIS_URL" });
    assert.equal(await written(2), "WEBSOCKET_REDIS_URL");
  } finally {
    await sidecar.stop();
  }
});
