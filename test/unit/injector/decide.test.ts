/** Verdicts that the golden cases leave out: every reason is given by something, and every annotation says what is wrong. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { table } from "../../../src/injector/annotations.js";
import { type Circumstances, decide } from "../../../src/injector/decide.js";
import type { Pod } from "../../../src/injector/pod.js";
import { notes, reasons, warning } from "../../../src/injector/reasons.js";
import { settings } from "./pods.js";

type Entry = { name: string; value?: string; valueFrom?: object };
interface Made {
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
  env?: Entry[];
  container?: object;
  containers?: object[];
  spec?: object;
}

const WS: Entry = { name: "WEBSOCKET_REDIS_URL", value: "redis://valkey:6379/1" };
const asking = { "keyframe.dev/inject": "true" };

function pod({ annotations = asking, labels, env = [WS], container = {}, containers = [], spec = {} }: Made = {}): Pod {
  const app = { name: "open-webui", image: "open-webui", env, ...container };
  return {
    metadata: { annotations, ...(labels && { labels }) },
    spec: { containers: [app, ...containers], ...spec },
  } as Pod;
}

function verdict(made: Made = {}, flags: Record<string, string> = {}, circumstances: Partial<Circumstances> = {}) {
  return decide(pod(made), settings(flags), { namespace: "chat", requested: false, ...circumstances });
}

/** Reason, and what exactly. */
function said(...given: Parameters<typeof verdict>): string {
  const found = verdict(...given);
  return found.kind === "refuse" ? `${found.reason}: ${found.detail}` : found.reason;
}

describe("who asks", () => {
  it("asks by annotation or by label", () => {
    assert.equal(said({}), "injected");
    assert.equal(said({ annotations: {}, labels: asking }), "injected");
  });
  it("does not ask without either", () => assert.equal(said({ annotations: {} }), "not_requested"));
  it("need not ask where somebody else does", () => {
    assert.equal(said({ annotations: {} }, {}, { requested: true }), "injected");
  });
  it("refuses by either, whatever the other says", () => {
    const no = { "keyframe.dev/inject": "false" };
    assert.equal(said({ annotations: no }, {}, { requested: true }), "disabled");
    assert.equal(said({ annotations: no, labels: asking }), "disabled");
    assert.equal(said({ labels: no }), "disabled");
  });
  it("is understood, or told what is understood", () => {
    const expected = 'bad_annotation: keyframe.dev/inject="yes" is not one of the choices. Choose true or false.';
    assert.equal(said({ annotations: { "keyframe.dev/inject": "yes" } }), expected);
    assert.equal(said({ annotations: {}, labels: { "keyframe.dev/inject": "yes" } }), expected);
  });
});

describe("pods that are left alone", () => {
  for (const namespace of ["kube-system", "kube-public", "kube-node-lease"]) {
    it(`in ${namespace}`, () => assert.equal(said({}, {}, { namespace }), "system_namespace"));
  }
  for (const args of [["injector"], ["injector-certs", "--secret=x"]]) {
    it(`with ${args[0]}`, () => assert.equal(said({ container: { args } }), "own_pod"));
  }
  it("with a sidecar of another name", () => {
    const other = { name: "delta", env: [{ name: "KEYFRAME_UPSTREAM", value: "redis://x" }] };
    assert.equal(said({ spec: { initContainers: [other] } }), "injected_by_hand");
  });
});

describe("pods that cannot have one", () => {
  it("because the name is taken", () => assert.match(said({ containers: [{ name: "keyframe" }] }), /^name_taken/));
  it("because the name of its volume is", () => {
    const found = said({ spec: { volumes: [{ name: "keyframe-state", emptyDir: {} }] } });
    assert.equal(found, "name_taken: Volume keyframe-state.");
  });
  it("because there is nothing to point at it", () => {
    assert.match(said({ env: [] }), /^no_redis/);
    assert.match(said({ env: [{ name: "REDIS_URL", value: "" }] }), /^no_redis/);
  });
  it("because both are switched off", () => {
    const off = { ...asking, "keyframe.dev/redis-url": "off", "keyframe.dev/websocket-redis-url": "off" };
    assert.match(said({ annotations: off }), /^nothing_routed/);
  });
  it("because all that is switched on names another server", () => {
    const annotations = {
      ...asking,
      "keyframe.dev/upstream": "redis://other",
      "keyframe.dev/websocket-redis-url": "off",
    };
    assert.match(said({ annotations, env: [{ name: "REDIS_URL", value: "redis://valkey" }] }), /^nothing_routed/);
  });
  it("because the app speaks Cluster", () => {
    assert.match(said({ env: [WS, { name: "WEBSOCKET_REDIS_CLUSTER", value: "True" }] }), /^cluster/);
    assert.match(said({ env: [WS, { name: "REDIS_CLUSTER", value: "true" }] }), /^cluster/);
    const env = [WS, { name: "REDIS_CLUSTER", value: "true" }, { name: "WEBSOCKET_REDIS_CLUSTER", value: "false" }];
    assert.equal(said({ env }), "injected");
  });
  for (const [url, words] of [
    ["unix:///run/redis.sock", /has a scheme/],
    ["redis://a,b", /several hosts/],
    ["redis://127.0.0.1:6380/1", /the sidecar's own address/],
    ["redis+sentinel://s1/0/mymaster", /not redis:\/\/ or rediss:\/\//],
    ["redis://valkey/1?db=2", /gives db as a query parameter/],
    ["http://$(HOST)", /not redis:\/\/ or rediss:\/\//],
    ["redis://:$(KEYFRAME_X)@valkey", /variable named KEYFRAME_/],
  ] as const) {
    it(`because of ${url}`, () => {
      const found = said({ env: [{ name: "WEBSOCKET_REDIS_URL", value: url }] });
      assert.match(found, /^bad_upstream: WEBSOCKET_REDIS_URL of container open-webui/);
      assert.match(found, words);
    });
  }
  it("and the reason holds nothing of a URL that could not be read", () => {
    assert.doesNotMatch(said({ env: [{ name: "REDIS_URL", value: "redis://u:hunter2/@h" }] }), /hunter2/);
    assert.doesNotMatch(
      said({ annotations: { ...asking, "keyframe.dev/upstream": "redis://u:hunter2/@h" } }),
      /hunter2/,
    );
  });
  it("because a variable that the URL refers to is hidden", () => {
    const env = [{ name: "REDIS_URL", value: "redis://:$(PASSWORD)@valkey" }];
    const container = { envFrom: [{ secretRef: { name: "all" } }] };
    assert.match(
      said({ env, container }),
      /^upstream_hidden: REDIS_URL of container open-webui uses \$\(PASSWORD\)\.$/,
    );
    assert.match(
      said({ env: [{ name: "REDIS_URL", value: "$(URL)" }], container }),
      /^upstream_hidden: .* uses \$\(URL\)\.$/,
    );
    // Without envFrom it can only be a Service's variable, which the sidecar has too.
    assert.equal(said({ env: [{ name: "REDIS_URL", value: "redis://$(VALKEY_SERVICE_HOST):6379" }] }), "injected");
  });
  it("because a native one is asked for on a cluster that has none", () => {
    const annotations = { ...asking, "keyframe.dev/native-sidecar": "true" };
    assert.match(said({ annotations }, { "kubernetes-version": "1.28" }), /^bad_annotation: .*1\.29.*1\.28/);
    assert.equal(said({ annotations }, { "kubernetes-version": "1.29" }), "injected");
  });
});

describe("native or plain", () => {
  const native = (...given: Parameters<typeof verdict>) => {
    const found = verdict(...given);
    assert.ok(found.kind === "inject");
    return found.plan.sidecar.native;
  };
  for (const [flags, expected] of [
    [{}, true],
    [{ "kubernetes-version": "1.28" }, false],
    [{ "kubernetes-version": "v1.29.0-eks-1" }, true],
    [{ "kubernetes-version": "2.0" }, true],
    [{ "native-sidecar": "never" }, false],
    [{ "native-sidecar": "always", "kubernetes-version": "1.28" }, true],
  ] as const) {
    it(`${JSON.stringify(flags)}: ${expected}`, () => assert.equal(native({}, flags), expected));
  }
  it("the annotation decides before the settings", () => {
    const no = { annotations: { ...asking, "keyframe.dev/native-sidecar": "false" } };
    assert.equal(native(no, { "native-sidecar": "always" }), false);
  });
});

describe("the memory of users", () => {
  const PREFIX = "REDIS_KEY_PREFIX";
  /** The sidecar's variables of it, and the notes; of a pod with a second app where that is given. */
  function memory(env: Entry[], second?: object, annotations: Record<string, string> = {}) {
    const containers = second ? [{ name: "second", image: "open-webui", ...second }] : [];
    const found = verdict({ annotations: { ...asking, ...annotations }, env: [WS, ...env], containers });
    assert.ok(found.kind === "inject");
    const { sidecar } = found.plan;
    const names = ["KEYFRAME_STATE_DIR", "KEYFRAME_KEY_PREFIX", "TENANT"];
    const given = sidecar.env.filter(({ name }) => names.includes(name));
    assert.equal(
      sidecar.stateful,
      given.some(({ name }) => name === names[0]),
    );
    const noted = found.notes.filter(({ code }) => code === "key_prefixes_differ");
    return [...given.map(({ name, value, valueFrom }) => [name, value ?? valueFrom]), ...noted];
  }
  const kept = ["KEYFRAME_STATE_DIR", "/var/run/keyframe"];
  const differ = [{ code: "key_prefixes_differ", about: "open-webui, second" }];
  const envFrom = [{ configMapRef: { name: "all" } }];
  const chat = { name: PREFIX, value: "chat" };

  it("is there without a prefix", () => assert.deepEqual(memory([]), [kept]));
  it("has the app's prefix, and what that needs, in their order", () => {
    const fieldRef = { fieldPath: "metadata.namespace" };
    const env = [
      { name: "TENANT", valueFrom: { fieldRef } },
      { name: PREFIX, value: "$(TENANT)-chat" },
      { name: "TENANT", value: "later" },
    ];
    assert.deepEqual(memory(env), [["TENANT", { fieldRef }], ["KEYFRAME_KEY_PREFIX", "$(TENANT)-chat"], kept]);
    const upstream = { "keyframe.dev/upstream": "redis://valkey:6379" };
    assert.deepEqual(memory(env, undefined, upstream), memory(env));
  });
  it("leaves a prefix where it is that uses or brings the sidecar's settings", () => {
    assert.deepEqual(memory([{ name: PREFIX, value: "$(KEYFRAME_ADMIN)" }]), [kept]);
    const env = [
      { name: "KEYFRAME_X", value: "1" },
      { name: "TENANT", value: "$(KEYFRAME_X)" },
      { name: PREFIX, value: "$(TENANT)" },
    ];
    assert.deepEqual(memory(env), [kept]);
  });
  it("is not there for a plain proxy", () => {
    assert.deepEqual(memory([chat], undefined, { "keyframe.dev/frames": "off" }), []);
  });
  it("is there for several apps with one prefix, however it is said", () => {
    const reference = { name: PREFIX, valueFrom: { configMapKeyRef: { name: "a", key: "b" } } };
    const again = { name: PREFIX, valueFrom: { configMapKeyRef: { key: "b", name: "a" } } };
    assert.deepEqual(memory([], { env: [WS] }), [kept]);
    assert.deepEqual(memory([], { env: [WS, { name: PREFIX, value: "open-webui" }] }), [kept]);
    const by = { env: [WS, { name: "X", value: "chat" }, { name: PREFIX, value: "$(X)" }] };
    assert.deepEqual(memory([chat], by), [["KEYFRAME_KEY_PREFIX", "chat"], kept]);
    const same = [["KEYFRAME_KEY_PREFIX", reference.valueFrom], kept];
    assert.deepEqual(memory([reference], { env: [WS, again] }), same);
  });
  it("is not there for several apps with different ones, or that may have", () => {
    assert.deepEqual(memory([chat], { env: [WS] }), differ);
    assert.deepEqual(memory([chat], { env: [WS, { name: PREFIX, value: "other" }] }), differ);
    assert.deepEqual(memory([], { env: [WS], envFrom }), differ);
    const open = [{ name: PREFIX, value: "$(TENANT)" }];
    assert.deepEqual(memory(open, { env: [WS, ...open], envFrom }), differ);
  });
  it("does not mind the prefix of what is not pointed at the sidecar", () => {
    const other = { image: "other", env: [{ name: PREFIX, value: "other" }] };
    assert.deepEqual(memory([chat], other), [["KEYFRAME_KEY_PREFIX", "chat"], kept]);
  });
});

describe("annotations", () => {
  const bad: Record<keyof typeof table, string> = {
    inject: "on",
    upstream: "valkey:6379",
    "upstream-secret": "redis",
    container: "Open WebUI",
    "websocket-redis-url": "true",
    "redis-url": "yes",
    image: "-x y",
    "log-level": "verbose",
    frames: "on",
    cpu: "1 core",
    memory: "1Gi/128Mi",
    "native-sidecar": "auto",
  };
  for (const [key, value] of Object.entries(bad)) {
    it(`${key} says its name, its value and what is accepted`, () => {
      const found = said({ annotations: { ...asking, [`keyframe.dev/${key}`]: value } });
      assert.match(found, new RegExp(`^bad_annotation: keyframe\\.dev/${key}`));
      if (key !== "upstream") assert.ok(found.includes(JSON.stringify(value)), found);
      assert.match(found, /(Write|Choose) .+\.$/);
    });
    it(`${key} takes its own example`, () => {
      const row = table[key as keyof typeof table];
      assert.ok(row.kind.read(row.example).ok);
    });
  }
  it("that are beside each other in vain are refused", () => {
    const annotations = { ...asking, "keyframe.dev/upstream": "redis://x", "keyframe.dev/upstream-secret": "a/b" };
    assert.match(said({ annotations }), /^bad_annotation: .* beside .*Remove one/);
  });
  it("that name no container of the pod list those that it has", () => {
    const annotations = { ...asking, "keyframe.dev/container": "open-webui, chat" };
    assert.match(said({ annotations }), /^bad_annotation: .*"chat"; the pod's containers are open-webui\.$/);
  });
});

describe("sentences", () => {
  it("fit into a warning", () => {
    for (const text of [...Object.values(reasons), ...Object.values(notes)]) {
      assert.match(text, /^[A-Z].*\.$|^keyframe\..*\.$|^ssl_.*\.$/);
      assert.ok(warning(text).length <= 200, text);
    }
    assert.equal(warning("A.", "x".repeat(500)).length, 256);
    assert.equal(warning("A.", "b\nc\u0000d"), "keyframe: A. b c d");
  });
});
