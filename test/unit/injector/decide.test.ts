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
