/** Variables that refer to others with $(NAME), also to earlier ones of their own name: what they mean stays what it was. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, EnvEntry } from "../../../src/injector/pod.js";
import { ownSidecar } from "../../../src/injector/record.js";
import { environment, type Stored } from "./kubelet.js";
import { answered, settings } from "./pods.js";

const stored: Stored = { redis: { url: "redis://app:stored@valkey:6379/5", database: "3", hosts: "s1,s2" } };
const reference = (kind: string, key: string) => ({ valueFrom: { [kind]: { name: "redis", key } } });
const text = (name: string, value: string): EnvEntry => ({ name, value });

const off = { redis: "keyframe.dev/redis-url", websocket: "keyframe.dev/websocket-redis-url" };

/** The verdict on a pod of containers with these variables, and what each of them and the sidecar is started with. */
function outcome(envs: readonly EnvEntry[][], switches: Record<string, string> = {}) {
  const containers = envs.map((env, i) => ({ name: `c${i}`, image: "open-webui", env }));
  const annotations = { "keyframe.dev/inject": "true", ...switches };
  const { reason, detail, patched } = answered({ metadata: { annotations }, spec: { containers } }, settings());
  const started = (container: Container | undefined) => (container ? environment(container, stored) : {});
  return {
    said: `${reason}: ${detail}`,
    apps: patched.spec.containers.map(started),
    sidecar: started(ownSidecar(patched)),
  };
}

describe("a variable named KEYFRAME_…", () => {
  const uses = /^bad_upstream: .* uses a variable named KEYFRAME_/;

  it("does not come into the sidecar through another, however many there are between", () => {
    const chain = [
      text("KEYFRAME_X", "valkey"),
      text("A", "redis://$(KEYFRAME_X)"),
      text("B", "$(A)"),
      text("C", "$(B)"),
      text("REDIS_URL", "$(C)"),
    ];
    assert.match(outcome([chain]).said, uses);
    assert.match(outcome([[...chain.slice(0, 2), text("REDIS_URL", "$(A)")]]).said, uses);
  });
  it("does not through lists of sentinels and their port either", () => {
    const master = text("WEBSOCKET_REDIS_URL", "redis://mymaster");
    const hosts = text("WEBSOCKET_SENTINEL_HOSTS", "s1");
    const between = [text("KEYFRAME_X", "1"), text("A", "$(KEYFRAME_X)")];
    assert.match(outcome([[...between, master, text(hosts.name, "$(A)")]]).said, uses);
    assert.match(outcome([[...between, master, hosts, text("WEBSOCKET_SENTINEL_PORT", "$(A)")]]).said, uses);
  });
  it("does not where the pod defines none of that name", () => {
    assert.match(outcome([[text("A", "$(KEYFRAME_X)"), text("REDIS_URL", "redis://:$(A)@valkey")]]).said, uses);
  });
  it("does not from the container whose URL is taken for its database 0", () => {
    const other = [text("KEYFRAME_X", "valkey"), text("REDIS_URL", "redis://$(KEYFRAME_X)/0")];
    assert.match(outcome([[text("REDIS_URL", "redis://valkey/1")], other]).said, uses);
  });
  it("is the app's own where its URL does not use it, or says $$ for a dollar", () => {
    const own = text("KEYFRAME_X", "1");
    for (const url of ["redis://valkey", "redis://:$$(KEYFRAME_X)@valkey"]) {
      const { said, sidecar } = outcome([[own, text("A", "$(KEYFRAME_X)"), text("REDIS_URL", url)]]);
      assert.equal(said, "injected: ");
      assert.equal(sidecar.KEYFRAME_X, undefined);
    }
  });
});

describe("what is left where it is", () => {
  const sidecar = /^redis:\/\/127\.0\.0\.1:6380/;

  it("is the server that an earlier variable of the same name says", () => {
    const env = [
      { name: "REDIS_SENTINEL_HOSTS", ...reference("configMapKeyRef", "hosts") },
      { name: "REDIS_URL", ...reference("secretKeyRef", "url") },
      text("REDIS_URL", "$(REDIS_URL)"),
    ];
    const { apps, ...found } = outcome([env, []], { [off.websocket]: "off" });
    assert.match(apps[0]!.REDIS_URL!, sidecar);
    assert.equal(apps[0]!.WEBSOCKET_REDIS_URL, stored.redis!.url);
    assert.equal(found.sidecar.KEYFRAME_UPSTREAM, stored.redis!.url);
    assert.equal(found.sidecar.KEYFRAME_SENTINEL_HOSTS, stored.redis!.hosts);
  });
  it("is what the variables said that stood before it, not what they say at the end", () => {
    const env = [text("HOST", "valkey"), text("REDIS_URL", "redis://$(HOST)/1"), text("HOST", "elsewhere")];
    const [app] = outcome([env], { [off.websocket]: "off" }).apps;
    assert.match(app!.REDIS_URL!, sidecar);
    assert.equal(app!.WEBSOCKET_REDIS_URL, "redis://valkey/1");
  });
  it("and so is the database of what is added for the sidecar", () => {
    const env = [
      { name: "DATABASE", ...reference("secretKeyRef", "database") },
      text("REDIS_URL", "redis://valkey/$(DATABASE)"),
      text("DATABASE", "4"),
    ];
    const [app] = outcome([env], { [off.redis]: "off" }).apps;
    assert.equal(app!.WEBSOCKET_REDIS_URL, "redis://127.0.0.1:6380/3");
    assert.equal(app!.REDIS_URL, "redis://valkey/3");
  });

  const clash = (kept: string, used: string) =>
    `bad_upstream: ${kept} of container c0 is to keep its value, but refers to ${used}, which is to get another.`;
  const url = text("WEBSOCKET_REDIS_URL", "redis://valkey/1");
  it("does not follow a URL that is pointed at the sidecar: then nothing is changed", () => {
    for (const env of [
      [url, text("REDIS_URL", "$(WEBSOCKET_REDIS_URL)")],
      [url, text("A", "$(WEBSOCKET_REDIS_URL)"), text("REDIS_URL", "$(A)?x=1")],
    ]) {
      assert.equal(outcome([env], { [off.redis]: "off" }).said, clash("REDIS_URL", url.name));
      assert.equal(outcome([env]).said, "injected: ");
    }
    const turned = [text("REDIS_URL", "redis://valkey/1"), text(url.name, "$(REDIS_URL)")];
    assert.equal(outcome([turned], { [off.websocket]: "off" }).said, clash(url.name, "REDIS_URL"));
    assert.equal(outcome([turned], { [off.redis]: "off" }).said, "injected: ");
  });
  it("does not follow a list of sentinels that is emptied", () => {
    const env = [
      text(url.name, "redis://first"),
      text("WEBSOCKET_SENTINEL_HOSTS", "s1,s2"),
      text("REDIS_URL", "redis://second"),
      text("REDIS_SENTINEL_HOSTS", "$(WEBSOCKET_SENTINEL_HOSTS)"),
    ];
    assert.equal(outcome([env]).said, clash("REDIS_SENTINEL_HOSTS", "WEBSOCKET_SENTINEL_HOSTS"));
  });
  it("and the prefix of the app's keys does not follow either", () => {
    const env = [url, text("REDIS_KEY_PREFIX", "$(WEBSOCKET_REDIS_URL)")];
    assert.equal(outcome([env]).said, clash("REDIS_KEY_PREFIX", url.name));
  });
});
