/** The tables of the injector: defaults, what is needed, all errors at once, and that they share no names by accident. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { issueText } from "../../../src/config/help.js";
import {
  certsTable,
  injectionTable,
  parseCertsConfig,
  parseInjection,
  parseInjectorConfig,
  serverTable,
} from "../../../src/config/injector.js";
import { quantityValue } from "../../../src/config/quantity.js";
import { table } from "../../../src/config/table.js";
import type { Env, Flags } from "../../../src/config/types.js";

const needed = {
  KEYFRAME_INJECTOR_IMAGE: "keyframe:1",
  KEYFRAME_INJECTOR_TLS_CERT: "/tls.crt",
  KEYFRAME_INJECTOR_TLS_KEY: "/tls.key",
};

function errors(env: Env, flags: Flags = {}): string[] {
  const result = parseInjectorConfig(env, flags);
  assert.ok(!result.ok, "the configuration was accepted");
  return result.errors.map(issueText);
}

describe("the injector's settings", () => {
  it("have the documented defaults", () => {
    const result = parseInjectorConfig(needed, {});
    assert.ok(result.ok);
    assert.deepEqual(result.value, {
      image: "keyframe:1",
      imagePullPolicy: "IfNotPresent",
      nativeSidecar: "auto",
      kubernetesVersion: undefined,
      upstream: undefined,
      cpu: { request: "50m", limit: undefined },
      memory: { request: "256Mi", limit: undefined },
      sidecarLogLevel: undefined,
      listen: { host: "0.0.0.0", port: 8443 },
      admin: { host: "0.0.0.0", port: 9466 },
      tlsCert: "/tls.crt",
      tlsKey: "/tls.key",
      tlsReloadMs: 10_000,
      bodyBytes: 4 * 1024 ** 2,
      requestTimeoutMs: 5000,
      drainDelayMs: 5000,
      drainTimeoutMs: 15_000,
      logLevel: "info",
    });
  });
  it("are all needed at once, and all that is wrong is said at once", () => {
    assert.deepEqual(
      errors({ KEYFRAME_INJECTOR_CPU: "fast", KEYFRAME_INJECTOR_LISTEN: "x" }, { "bdy-bytes": "1" }).map(
        (line) => line.split(/[ =]/)[0],
      ),
      [
        "--bdy-bytes",
        "KEYFRAME_INJECTOR_IMAGE",
        "KEYFRAME_INJECTOR_CPU",
        "KEYFRAME_INJECTOR_LISTEN",
        "KEYFRAME_INJECTOR_TLS_CERT",
        "KEYFRAME_INJECTOR_TLS_KEY",
      ],
    );
  });
  it("are told from the sidecar's", () => {
    for (const [name, meant] of [
      ["KEYFRAME_INJECTOR_IMAGES", "KEYFRAME_INJECTOR_IMAGE"],
      ["KEYFRAME_LISTEN", "KEYFRAME_INJECTOR_LISTEN"],
      ["KEYFRAME_INJECTOR_LOG_LEVEL", "KEYFRAME_LOG_LEVEL"],
    ]) {
      assert.deepEqual(errors({ ...needed, [name!]: "x" }), [
        `${name} is not a variable of keyframe. Did you mean ${meant}?`,
      ]);
    }
  });
  it("never repeat an upstream that could not be read, and show no password of one that could", () => {
    const [error] = errors({ ...needed, KEYFRAME_INJECTOR_UPSTREAM: "redis://u:hunter2/@h" });
    assert.match(error!, /^KEYFRAME_INJECTOR_UPSTREAM has /);
    assert.doesNotMatch(error!, /hunter2/);
    assert.equal(injectionTable.upstream.kind.show("redis://u:hunter2@h"), "redis://u:***@h:6379/0");
  });
  it("are fine beside the variables of a Service of that name", () => {
    const service = {
      KEYFRAME_INJECTOR_SERVICE_HOST: "10.0.0.1",
      KEYFRAME_INJECTOR_PORT: "tcp://10.0.0.1:443",
      KEYFRAME_INJECTOR_SERVICE_PORT_HTTPS: "443",
    };
    assert.ok(parseInjectorConfig({ ...needed, ...service }, {}).ok);
  });
  it("take every default and every example", () => {
    for (const one of [...Object.values(serverTable), ...Object.values(certsTable)]) {
      for (const text of [one.example, one.default ?? one.example])
        assert.ok(one.kind.read(text).ok, `${one.name} ${text}`);
      assert.match(one.doc, /^[A-Z].*\.$/);
    }
  });
  it("have names that no sidecar has, but for the level of the log", () => {
    const own = new Set(Object.values(table).map(({ env }) => env));
    const shared = [...Object.values(serverTable), ...Object.values(certsTable)]
      .map(({ env }) => env)
      .filter((env) => own.has(env));
    assert.deepEqual(shared, ["KEYFRAME_LOG_LEVEL"]);
  });
});

describe("keyframe inject's settings", () => {
  it("are those of the sidecars alone", () => {
    const result = parseInjection(
      { ...needed, KEYFRAME_LISTEN: "x", KEYFRAME_INJECTOR_LISTEN: "x" },
      { cpu: "10m/1" },
      true,
    );
    assert.ok(result.ok);
    assert.deepEqual(result.value.cpu, { request: "10m", limit: "1" });
    assert.ok(!parseInjection({}, {}, true).ok);
    assert.ok(parseInjection({}, {}, false).ok);
  });
});

describe("keyframe injector-certs' settings", () => {
  it("need a cluster's names or a folder", () => {
    const result = parseCertsConfig({}, {});
    assert.ok(!result.ok);
    assert.equal(result.errors.length, 3);
    assert.ok(parseCertsConfig({}, { dir: "x" }).ok);
    assert.ok(parseCertsConfig({ KEYFRAME_INJECTOR_CERTS_DIR: "x" }, {}).ok);
  });
});

describe("quantities", () => {
  for (const [text, value] of [
    ["250m", 0.25],
    ["2", 2],
    ["0.5", 0.5],
    ["1k", 1000],
    ["128Mi", 128 * 2 ** 20],
    ["1.5Gi", 1.5 * 2 ** 30],
    ["", undefined],
    ["1MB", undefined],
    ["-1", undefined],
    ["1e3", undefined],
    ["1 Mi", undefined],
  ] as const) {
    it(`${JSON.stringify(text)}: ${value}`, () => assert.equal(quantityValue(text), value));
  }
  for (const [text, words] of [
    ["16Mi", /out of bounds/],
    ["1Gi/512Mi", /limit below its request/],
    ["1Gi/2Gi/3Gi", /more than a request and a limit/],
    ["1Gi/", /not a quantity/],
  ] as const) {
    it(`refuses ${text}`, () => {
      const read = injectionTable.memory.kind.read(text);
      assert.ok(!read.ok);
      assert.match(read.problem, words);
    });
  }
});
