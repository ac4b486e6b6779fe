/**
 * What holds for every pod. They are made by construction, so that each is one that an API server would take; the
 * structure is then checked by rules of our own (pods.ts), and by the API's types where the sidecar is written down. The
 * API server itself has its say in `npm run e2e:cluster`.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "yaml";
import { uninject } from "../../../src/injector/mutate.js";
import { changeManifests } from "../../../src/injector/offline.js";
import type { Container, Pod } from "../../../src/injector/pod.js";
import { ownSidecar } from "../../../src/injector/record.js";
import { review } from "../../../src/injector/review.js";
import { effective, environment, parts, type Stored } from "./kubelet.js";
import { admission, answered, assertRestricted, assertValidPod, settings } from "./pods.js";

const RUNS = { numRuns: 150 };

const stored: Stored = {
  redis: {
    url: "redis://app:stored@valkey:6379/5",
    other: "redis://app:stored@elsewhere/0",
    password: "stored",
    hosts: "s1,s2",
  },
  chat: { prefix: "stored" },
};
const fromSecret = fc.constantFrom("url", "other", "password").map((key) => ({
  valueFrom: { secretKeyRef: { name: "redis", key } },
}));
const fromConfig = fc.constant({ valueFrom: { configMapKeyRef: { key: "hosts", name: "redis" } } });

const url = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("redis", "rediss"),
      fc.constantFrom("", "app:secret@", ":$(PASSWORD)@", ":pa$$word@", ":$(UNKNOWN)@"),
      fc.constantFrom("valkey", "valkey:6379", "mymaster", "elsewhere:6380", "$(HOST):6379", "[fd00::1]:6379"),
      fc.constantFrom("", "/", "/0", "/1", "/15", "/$(DATABASE)"),
      fc.constantFrom("", "?ssl_cert_reqs=none", "?health_check_interval=5&ssl_ca_certs=x"),
    )
    .map((parts) => `${parts[0]}://${parts.slice(1).join("")}`),
  fc.constantFrom("", "$(REDIS_URL)", "$(OTHER)", "unix:///run/redis", "http://x", "redis://a,b/0", "redis://x/1/2"),
);
const literal = (text: fc.Arbitrary<string>) => text.map((value) => ({ value }));
const entry = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      name: fc.constantFrom("REDIS_URL", "WEBSOCKET_REDIS_URL"),
      content: fc.oneof(literal(url), fromSecret),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      name: fc.constantFrom("REDIS_SENTINEL_HOSTS", "WEBSOCKET_SENTINEL_HOSTS"),
      content: fc.oneof(literal(fc.constantFrom("", "s1,s2", " s1 ")), fromConfig),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      name: fc.constantFrom("REDIS_SENTINEL_PORT", "WEBSOCKET_SENTINEL_PORT"),
      content: literal(fc.constantFrom("26379", "1")),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      name: fc.constantFrom("PASSWORD", "HOST", "OTHER", "DATABASE", "LANG", "REDIS_CLUSTER"),
      content: fc.oneof(
        literal(fc.constantFrom("valkey", "1", "0", "true", "$(HOST)", "$(OTHER)", "$$(HOST)")),
        fromSecret,
        fc.constant({}),
      ),
    }),
  },
);
const prefix = fc.record({
  name: fc.constant("REDIS_KEY_PREFIX"),
  content: fc.oneof(
    literal(fc.constantFrom("chat", "chat", "open-webui", "", "$(LANG)", "$(HOST)-chat", "$(UNKNOWN)", "$$(HOST)")),
    literal(fc.constantFrom("$(KEYFRAME_ADMIN)", "$(REDIS_URL)")),
    fc.constant({ valueFrom: { configMapKeyRef: { key: "prefix", name: "chat" } } }),
  ),
});
const env = fc.array(
  fc
    .oneof({ weight: 8, arbitrary: entry }, { weight: 1, arbitrary: prefix })
    .map(({ name, content }) => ({ name, ...content })),
  { maxLength: 9 },
);
/** A field that may not be there, or be null, as people write it. */
const loose = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof(
    { weight: 6, arbitrary },
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constant(null) },
  );
const without = (value: object) => Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));

const container = (name: string) =>
  fc
    .record({
      image: fc.constantFrom("ghcr.io/open-webui/open-webui:0.12.4", "docker.io/library/nginx:1", "open-webui"),
      env: loose(env),
      envFrom: fc.option(fc.constant([{ secretRef: { name: "all" } }]), { nil: undefined, freq: 6 }),
      resources: fc.option(fc.constant({ limits: { memory: "1Gi" } }), { nil: undefined }),
    })
    .map((fields) => ({ name, ...without(fields) }) as unknown as Container);

const annotations = fc
  .record(
    {
      "keyframe.dev/inject": fc.constant("true"),
      "keyframe.dev/upstream": fc.constantFrom("redis://valkey:6379/7", "redis+sentinel://s1,s2/3/mymaster"),
      "keyframe.dev/redis-url": fc.constantFrom("on", "off"),
      "keyframe.dev/websocket-redis-url": fc.constantFrom("on", "off"),
      "keyframe.dev/native-sidecar": fc.constantFrom("true", "false"),
      "keyframe.dev/frames": fc.constantFrom("auto", "off"),
      "keyframe.dev/cpu": fc.constantFrom("10m", "10m/1"),
      "keyframe.dev/status": fc.constant("copied from elsewhere"),
      "kubectl.kubernetes.io/default-container": fc.constant("c0"),
      "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes": fc.constantFrom("", "cache", "cache,data"),
      "example.com/note": fc.string(),
    },
    { requiredKeys: ["keyframe.dev/inject"] },
  )
  .map((all) => {
    // Seldom enough to leave room for the app's own URLs.
    const { "keyframe.dev/upstream": upstream, ...rest } = all;
    return upstream !== undefined && "example.com/note" in rest ? all : rest;
  });

const pods: fc.Arbitrary<Pod> = fc
  .record({
    labels: fc.option(fc.constant({ app: "open-webui" }), { nil: undefined }),
    annotations,
    containers: fc
      .integer({ min: 1, max: 3 })
      .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => container(`c${i}`)))),
    initContainers: loose(fc.array(container("init"), { maxLength: 1 })),
    volumes: loose(fc.subarray([{ name: "cache", emptyDir: {} }, { name: "data" }])),
    restartPolicy: fc.constantFrom(undefined, "Always", "Never"),
  })
  .map(({ labels, annotations: notes, ...spec }) => {
    const metadata = without({ name: "pod", labels, annotations: notes });
    return JSON.parse(JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec: without(spec) })) as Pod;
  });

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null)
    for (const inner of Object.values(Object.freeze(value))) deepFreeze(inner);
  return value;
}

const injection = settings({ upstream: "redis://default.data:6379/9" });

/** Checks a property of the pods that get a sidecar, and that enough of them do. */
function ofInjected(check: (pod: Pod, patched: Pod) => void): void {
  let injected = 0;
  fc.assert(
    fc.property(pods, (pod) => {
      const { reason, patched } = answered(deepFreeze(pod), injection);
      if (reason !== "injected") return;
      injected++;
      check(pod, patched);
    }),
    RUNS,
  );
  assert.ok(injected > RUNS.numRuns / 5, `${injected} of ${RUNS.numRuns} pods got a sidecar`);
}

describe("any pod", () => {
  it("injected twice is injected once", () =>
    ofInjected((_pod, patched) => assert.deepEqual(answered(patched, injection).patch, [])));

  it("injected and uninjected is what it was, to the order of its fields", () =>
    ofInjected((pod, patched) => {
      const undone = uninject(patched);
      assert.ok(undone.kind === "undone");
      assert.equal(JSON.stringify(undone.pod), JSON.stringify(pod));
    }));

  it("stays one that an API server takes, with a sidecar that passes as restricted", () =>
    ofInjected((_pod, patched) => {
      assertValidPod(patched);
      assertRestricted(patched);
    }));

  it("is changed in a file as it is by the webhook, and back", () =>
    ofInjected((pod, patched) => {
      const text = stringify(pod);
      const { output } = changeManifests(text, { inject: injection });
      assert.deepEqual(parse(output), patched);
      assert.deepEqual(parse(changeManifests(output, "uninject").output), pod);
    }));

  it("has a sidecar of the server that its app had, and apps on the databases that they had", () => {
    let compared = 0;
    ofInjected((pod, patched) => {
      if (pod.metadata?.annotations?.["keyframe.dev/upstream"] !== undefined) return;
      const sidecar = environment(ownSidecar(patched)!, stored);
      for (const [i, before] of pod.spec.containers.entries()) {
        const was = environment(before, stored);
        const is = environment(patched.spec.containers[i]!, stored);
        for (const [name, hosts, annotation] of [
          ["WEBSOCKET_REDIS_URL", "WEBSOCKET_SENTINEL_HOSTS", "keyframe.dev/websocket-redis-url"],
          ["REDIS_URL", "REDIS_SENTINEL_HOSTS", "keyframe.dev/redis-url"],
        ] as const) {
          const [old, now] = [effective(was, name), effective(is, name)];
          const off = pod.metadata?.annotations?.[annotation] === "off";
          if (off || now === undefined || !now.startsWith("redis://127.0.0.1:6380")) {
            assert.equal(now, old, "what does not go through the sidecar is what it was");
            if (now !== undefined) assert.equal(is[hosts], was[hosts]);
            continue;
          }
          assert.equal(is[hosts] ?? "", "", "the app looks for no sentinels");
          const wanted = parts(old ?? "");
          if (wanted === undefined) continue;
          compared++;
          const upstream = parts(sidecar.KEYFRAME_UPSTREAM!);
          assert.equal(upstream?.server, wanted.server);
          assert.equal(
            (was[hosts] ?? "").trim() === "" ? undefined : was[hosts],
            sidecar.KEYFRAME_SENTINEL_HOSTS?.trim() ? sidecar.KEYFRAME_SENTINEL_HOSTS : undefined,
          );
          // redis-py selects no database where its URL says 0 or nothing; then it is the sidecar's.
          assert.equal(parts(now)?.db || upstream?.db, wanted.db);
        }
      }
    });
    assert.ok(compared > 0, "no URL was compared");
  });

  it("has a sidecar that remembers users only where it sees those of all its apps, or of none", () => {
    const outcomes = { all: 0, none: 0, forgetful: 0 };
    ofInjected((pod, patched) => {
      const sidecar = environment(ownSidecar(patched)!, stored);
      if (sidecar.KEYFRAME_STATE_DIR === undefined) {
        outcomes.forgetful++;
        return assert.equal(sidecar.KEYFRAME_KEY_PREFIX, undefined);
      }
      // As the sidecar reads it: nothing, or white space, is not given.
      const looked = sidecar.KEYFRAME_KEY_PREFIX?.trim() || "open-webui";
      const apps = patched.spec.containers.filter(
        (app, i) => app.name !== "keyframe" && JSON.stringify(app) !== JSON.stringify(pod.spec.containers[i]),
      );
      const prefixes = apps.map((app) => environment(unveiled(app), stored).REDIS_KEY_PREFIX ?? "open-webui");
      const seen = prefixes.filter((one) => one === looked).length;
      assert.ok(seen === 0 || seen === apps.length, `${looked} of ${prefixes.join()}`);
      outcomes[seen === 0 ? "none" : "all"]++;
    });
    assert.ok(outcomes.all > 0 && outcomes.none > 0 && outcomes.forgetful > 0, JSON.stringify(outcomes));
  });
});

/** With what its envFrom might hold. */
function unveiled(app: Container): Container {
  const hidden = ["UNKNOWN", "REDIS_KEY_PREFIX"].map((name) => ({ name, value: "hidden" }));
  return app.envFrom?.length ? { ...app, env: [...hidden, ...(app.env ?? [])] } : app;
}

describe("any request at all", () => {
  it("is answered with leave to start, and what is said of it holds no password", () => {
    const near = fc.oneof(
      fc.jsonValue(),
      fc.jsonValue().map((object) => admission(object)),
      fc.tuple(pods, fc.jsonValue()).map(([pod, odd]) => admission({ ...pod, spec: { ...pod.spec, containers: odd } })),
      fc.tuple(pods, fc.jsonValue()).map(([pod, odd]) =>
        admission({
          ...pod,
          metadata: { annotations: { "keyframe.dev/inject": "true", "keyframe.dev/upstream": JSON.stringify(odd) } },
        }),
      ),
      fc
        .tuple(pods, env)
        .map(([pod, odd]) =>
          admission({ ...pod, spec: { containers: [{ name: "x", env: [...odd, ...odd], args: odd }] } }),
        ),
      pods.map((pod) => admission(pod)),
    );
    fc.assert(
      fc.property(near, (body) => {
        const { answer, reason, detail } = review(body, injection);
        const { response } = answer as { response: { allowed: boolean; warnings?: string[] } };
        assert.equal(response.allowed, true);
        assert.notEqual(reason, "internal_error");
        assert.doesNotMatch(`${response.warnings?.join()}${detail}`, /secret@|pa\$\$word/);
      }),
      { numRuns: 300 },
    );
  });

  it("is answered soon, however its variables and containers multiply", () => {
    const layer = (i: number) => ({ name: `V${i}`, value: i === 0 ? "x".repeat(100) : `$(V${i - 1})`.repeat(200) });
    const towers = Array.from({ length: 200 }, (_, i) => layer(i));
    const chain = Array.from({ length: 15_000 }, (_, i) => ({ name: `C${i}`, value: `$(C${i - 1})` }));
    const apps = Array.from({ length: 5000 }, (_, i) => ({
      name: `a${i}`,
      env: [{ name: "WEBSOCKET_REDIS_URL", value: `redis://valkey/${i}?x=${i}` }],
    }));
    for (const containers of [
      [{ name: "a", env: [...towers, { name: "WEBSOCKET_REDIS_URL", value: "redis://:$(V199)@valkey" }] }],
      [{ name: "a", env: [...chain, { name: "WEBSOCKET_REDIS_URL", value: "redis://:$(C14999)@valkey" }] }],
      apps,
    ]) {
      const began = process.cpuUsage();
      const { reason, patched, patch } = answered(
        { metadata: { labels: { "keyframe.dev/inject": "true" } }, spec: { containers } },
        injection,
      );
      assert.equal(reason, "injected");
      assert.ok(patch.length > 0);
      assert.equal(uninject(patched).kind, "undone");
      // Processor time, of which it takes a small part of this; without the bounds it does not end at all.
      assert.ok(process.cpuUsage(began).user < 10_000_000);
    }
  });

  it("changes nothing in a file that is not about pods", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.jsonValue().map((value) => stringify(value)),
        ),
        (text) => {
          assert.equal(changeManifests(text, { inject: injection }).output, text);
        },
      ),
      RUNS,
    );
  });
});
