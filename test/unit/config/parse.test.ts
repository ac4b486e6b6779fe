/** The whole parse: sources, defaults, all errors at once, unknown names, rules between settings, files, warnings. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { issueText } from "../../../src/config/help.js";
import { type Config, type Env, type Files, type Flags, parseConfig, secretsOf } from "../../../src/config/parse.js";
import { settings } from "../../../src/config/table.js";

const upstream = { KEYFRAME_UPSTREAM: "redis://valkey" };

function parsed(env: Env, flags: Flags = {}, files: Files = {}) {
  const result = parseConfig(env, flags, files);
  assert.ok(result.ok, result.ok ? "" : result.errors.map(issueText).join("\n"));
  return result;
}

function errors(env: Env, flags: Flags = {}, files: Files = {}): string[] {
  const result = parseConfig(env, flags, files);
  assert.ok(!result.ok, "the configuration was accepted");
  return result.errors.map(issueText);
}

/** Asserts that there is exactly one error and that it reads so. */
function oneError(words: RegExp, env: Env, flags: Flags = {}, files: Files = {}): void {
  const all = errors({ ...upstream, ...env }, flags, files);
  assert.equal(all.length, 1, all.join("\n"));
  assert.match(all[0]!, words);
}

describe("the configuration", () => {
  it("has the documented defaults", () => {
    const MiB = 1024 ** 2;
    const expected: Config = {
      listen: { host: "127.0.0.1", port: 6380 },
      admin: { host: "127.0.0.1", port: 9465 },
      upstream: { kind: "static", host: "valkey", port: 6379, tls: false, db: 0 },
      upstreamCaFile: undefined,
      upstreamServerName: undefined,
      sentinelTimeoutMs: 1_000,
      frames: "auto",
      fleet: "auto",
      emitters: "many",
      channels: ["socketio", "socketio#*", "socket.io#*"],
      stateDir: undefined,
      keyPrefix: "open-webui",
      rooms: 100_000,
      roomWaitMs: 250,
      flushWindowMs: 5,
      batchFrames: 64,
      batchBytes: 128 * 1024,
      maxBulkBytes: 64 * MiB,
      maxDepth: 32,
      maxArgs: 1_048_576,
      maxConnections: 10_000,
      requestTimeoutMs: 60_000,
      queueBytes: 16 * MiB,
      queueWaitMs: 10_000,
      largeBytes: MiB,
      largeWindowBytes: MiB,
      largeWaitMs: 10_000,
      largeBufferBytes: 128 * MiB,
      rawMaxBytes: 31 * MiB,
      streams: 10_000,
      streamIdleMs: 120_000,
      streamBytes: 64 * MiB,
      holdMs: 1000,
      holdBytes: 16 * MiB,
      nackWindowMs: 50,
      subscriberBufferBytes: 32 * MiB,
      pauseBytes: MiB,
      collapseBytes: 8 * MiB,
      scripts: 256,
      scriptBytes: MiB,
      dialTimeoutMs: 5000,
      drainTimeoutMs: 10_000,
      canaryMs: 2000,
      canaryTimeoutMs: 5000,
      halfCloseMs: 5000,
      logLevel: "info",
    };
    const result = parsed(upstream);
    assert.deepEqual(result.config, expected);
    assert.deepEqual(result.warnings, []);
  });

  it("takes the flag before the variable and the variable before the default, and says which", () => {
    const env = { ...upstream, KEYFRAME_HOLD: " 2s ", KEYFRAME_FRAMES: "off", KEYFRAME_FLEET: "" };
    const result = parsed(env, { hold: "3s" });
    assert.equal(result.config.holdMs, 3000);
    const sources = Object.fromEntries(result.settings.map(({ name, value, source }) => [name, `${source} ${value}`]));
    assert.equal(sources.hold, "flag 3s");
    assert.equal(sources.frames, "env off");
    assert.equal(sources.fleet, "default auto");
    assert.equal(sources.upstream, "env redis://valkey:6379/0");
    assert.equal(sources["upstream-ca"], "default undefined");
  });

  it("reports every error at once", () => {
    const env = { KEYFRAME_UPSTREAM: "redis://h:x", KEYFRAME_HOLD: "1", KEYFRAME_NONSENSE: "1", KEYFRAME_FLEET: "big" };
    assert.deepEqual(
      errors(env, { "max-dpth": "3" }).map((line) => line.split(/[ =]/)[0]),
      ["--max-dpth", "KEYFRAME_NONSENSE", "KEYFRAME_UPSTREAM", "KEYFRAME_FLEET", "KEYFRAME_HOLD"],
    );
  });

  it("words an error as name, value, problem, remedy", () => {
    oneError(/^KEYFRAME_HOLD="5" has no unit\. Write 5ms; the units are ms, s, m, h\.$/, { KEYFRAME_HOLD: "5" });
    oneError(/^--hold="5" has no unit/, {}, { hold: "5" });
    oneError(/^--hold needs a value\. For example --hold=1s\.$/, {}, { hold: true });
  });

  it("requires an upstream", () => {
    assert.match(errors({}).join("\n"), /^KEYFRAME_UPSTREAM is not set\. Name the server/);
    assert.match(errors({ KEYFRAME_UPSTREAM: "" }).join("\n"), /is not set/);
  });

  it("accepts every example and every default of the table", () => {
    for (const setting of settings) {
      for (const text of [setting.example, setting.default ?? setting.example]) {
        assert.ok(setting.kind.read(text).ok, `${setting.name} ${text}`);
      }
    }
  });
});

describe("an unknown name", () => {
  for (const [name, meant] of [
    ["KEYFRAME_UPSTREM", "KEYFRAME_UPSTREAM"],
    ["KEYFRAME_UPSTREAM_URL", "KEYFRAME_UPSTREAM"],
    ["KEYFRAME_FLUSH_WINDOW_MS", "KEYFRAME_FLUSH_WINDOW"],
    ["KEYFRAME_HOLD_BYTE", "KEYFRAME_HOLD_BYTES"],
    ["KEYFRAME_LOGLEVEL", "KEYFRAME_LOG_LEVEL"],
    ["KEYFRAME_CHANNLES", "KEYFRAME_CHANNELS"],
    ["KEYFRAME_DRAIN", "KEYFRAME_DRAIN_TIMEOUT"],
    ["KEYFRAME_listen", "KEYFRAME_LISTEN"],
  ] as const) {
    it(`${name} suggests ${meant}`, () => {
      oneError(new RegExp(`^${name} is not a variable of keyframe\\. Did you mean ${meant}\\?$`), { [name]: "1" });
    });
  }
  it("that is near to nothing is only refused", () => {
    oneError(/^KEYFRAME_ZEBRA_CROSSING is not a variable of keyframe\. Remove it/, { KEYFRAME_ZEBRA_CROSSING: "1" });
  });
  it("as a flag suggests a flag", () =>
    oneError(/^--liste is not a flag\. Did you mean --listen\?$/, {}, { liste: "x" }));
  it("as a flag for a password points to the variable", () => {
    oneError(
      /^--upstream-password would show a secret.*KEYFRAME_UPSTREAM_PASSWORD_FILE\.$/,
      {},
      { "upstream-password": "x" },
    );
  });
  it("does not count inherited object keys as known", () => {
    oneError(/^KEYFRAME_CONSTRUCTOR is not/, { KEYFRAME_CONSTRUCTOR: "1" });
    oneError(/^--constructor is not a flag/, {}, { constructor: "1" } as unknown as Flags);
  });

  it("is fine where Kubernetes made it for a Service", () => {
    parsed({
      ...upstream,
      KEYFRAME_SERVICE_HOST: "10.0.0.1",
      KEYFRAME_SERVICE_PORT: "6380",
      KEYFRAME_SERVICE_PORT_REDIS: "6380",
      KEYFRAME_PORT: "tcp://10.0.0.1:6380",
      KEYFRAME_PORT_6380_TCP: "tcp://10.0.0.1:6380",
      KEYFRAME_PORT_6380_TCP_PROTO: "tcp",
      KEYFRAME_PORT_6380_TCP_PORT: "6380",
      KEYFRAME_PORT_6380_TCP_ADDR: "10.0.0.1",
      KEYFRAME_INJECTOR_SERVICE_HOST: "10.0.0.2",
      KEYFRAME_INJECTOR_SERVICE_PORT_WEBHOOK: "443",
      KEYFRAME_INJECTOR_PORT: "tcp://10.0.0.2:443",
      KEYFRAME_INJECTOR_PORT_443_TCP_ADDR: "10.0.0.2",
      KEYFRAME_TEST_SERVER: "/usr/bin/valkey-server",
      KEYFRAMES: "1",
    });
  });
  it("is not fine where a person wrote a port", () => {
    oneError(/^KEYFRAME_PORT is not a variable/, { KEYFRAME_PORT: "6380" });
    oneError(/^KEYFRAME_ADMIN_PORT is not a variable.*KEYFRAME_ADMIN\?$/, { KEYFRAME_ADMIN_PORT: "9465" });
  });
});

describe("rules between settings", () => {
  it("refuse an upstream that is the sidecar itself", () => {
    for (const host of ["127.0.0.1", "localhost", "[::1]"]) {
      oneError(/^KEYFRAME_UPSTREAM is the address this sidecar listens on/, {
        KEYFRAME_UPSTREAM: `redis://${host}:6380/0`,
      });
    }
    parsed({ KEYFRAME_UPSTREAM: "redis://valkey:6380" });
  });
  it("refuse one address for two servers, except any free port", () => {
    oneError(/^KEYFRAME_ADMIN="127.0.0.1:6380" is the same address as KEYFRAME_LISTEN/, {
      KEYFRAME_ADMIN: "127.0.0.1:6380",
    });
    parsed({ ...upstream, KEYFRAME_LISTEN: "127.0.0.1:0", KEYFRAME_ADMIN: "127.0.0.1:0" });
  });
  it("refuse limits in the wrong order", () => {
    oneError(/^KEYFRAME_BATCH_BYTES="128KiB" is larger than KEYFRAME_QUEUE_BYTES, which is 64KiB/, {
      KEYFRAME_QUEUE_BYTES: "64KiB",
    });
    oneError(/^KEYFRAME_PAUSE_BYTES="2MiB" is larger/, {
      KEYFRAME_PAUSE_BYTES: "2MiB",
      KEYFRAME_SUBSCRIBER_BUFFER_BYTES: "1MiB",
    });
    oneError(/^--flush-window="1s" is larger/, { KEYFRAME_QUEUE_WAIT: "100ms" }, { "flush-window": "1s" });
  });
  it("refuse Sentinel and TLS settings without Sentinel and TLS", () => {
    oneError(/^KEYFRAME_SENTINEL_PASSWORD is set, but/, { KEYFRAME_SENTINEL_PASSWORD: "x" });
    oneError(/^KEYFRAME_SENTINEL_USERNAME="x" is set, but/, { KEYFRAME_SENTINEL_USERNAME: "x" });
    oneError(/^KEYFRAME_UPSTREAM_CA=.* without TLS/, { KEYFRAME_UPSTREAM_CA: "/ca.pem" });
    oneError(/^KEYFRAME_UPSTREAM_SERVER_NAME=.* without TLS/, { KEYFRAME_UPSTREAM_SERVER_NAME: "h" });
  });
});

describe("credentials with variables of their own", () => {
  it("complete the URL", () => {
    const env = { ...upstream, KEYFRAME_UPSTREAM_USERNAME: "app", KEYFRAME_UPSTREAM_PASSWORD: " p%40 " };
    const { upstream: found } = parsed(env).config;
    assert.equal(found.username, "app");
    assert.equal(found.password, " p%40 ", "neither trimmed nor decoded");
  });
  it("reach the sentinels apart from the servers", () => {
    const env = {
      KEYFRAME_UPSTREAM: "redis+sentinel://a:b@s1/0/m",
      KEYFRAME_SENTINEL_USERNAME: "watch",
      KEYFRAME_SENTINEL_PASSWORD_FILE: "/s",
    };
    const { config } = parsed(env, {}, { "/s": { ok: true, text: "hidden\n" } });
    assert.ok(config.upstream.kind === "sentinel");
    assert.equal(config.upstream.sentinelUsername, "watch");
    assert.equal(config.upstream.sentinelPassword, "hidden");
    assert.equal(config.upstream.password, "b");
    assert.deepEqual(secretsOf(config), ["b", "hidden"]);
  });
  it("come from a file, less one line break", () => {
    const env = { ...upstream, KEYFRAME_UPSTREAM_PASSWORD_FILE: "/p" };
    for (const [text, password] of [
      ["abc", "abc"],
      ["abc\n", "abc"],
      ["abc\r\n", "abc"],
      [" a\n\n", " a\n"],
    ] as const) {
      assert.equal(parsed(env, {}, { "/p": { ok: true, text } }).config.upstream.password, password);
    }
  });
  it("are refused when given twice", () => {
    const url = { KEYFRAME_UPSTREAM: "redis://u:p@h" };
    oneError(/^KEYFRAME_UPSTREAM_PASSWORD is given beside a password in KEYFRAME_UPSTREAM/, {
      ...url,
      KEYFRAME_UPSTREAM_PASSWORD: "x",
    });
    oneError(/^KEYFRAME_UPSTREAM_USERNAME="x" is given beside a user/, { ...url, KEYFRAME_UPSTREAM_USERNAME: "x" });
    oneError(/^KEYFRAME_UPSTREAM_PASSWORD_FILE="\/p" is given beside KEYFRAME_UPSTREAM_PASSWORD/, {
      KEYFRAME_UPSTREAM_PASSWORD: "x",
      KEYFRAME_UPSTREAM_PASSWORD_FILE: "/p",
    });
  });
  it("are refused from a file that cannot be used", () => {
    const env = { KEYFRAME_UPSTREAM_PASSWORD_FILE: "/p" };
    oneError(/"\/p" has not been read/, env);
    oneError(
      /"\/p" cannot be read \(ENOENT\)\. Check the path/,
      env,
      {},
      { "/p": { ok: false, problem: "cannot be read (ENOENT)" } },
    );
    oneError(/"\/p" names an empty file/, env, {}, { "/p": { ok: true, text: "\n" } });
  });
  it("are not shown when they stand where the file's name belongs", () => {
    const [line] = errors({ ...upstream, KEYFRAME_UPSTREAM_PASSWORD_FILE: "hunter2" });
    assert.doesNotMatch(line!, /hunter2/);
  });
  it("check the authorities' file where it was read", () => {
    const env = { KEYFRAME_UPSTREAM: "rediss://h", KEYFRAME_UPSTREAM_CA: "/ca" };
    assert.equal(parsed(env).config.upstreamCaFile, "/ca");
    parsed(env, {}, { "/ca": { ok: true, text: "-----BEGIN CERTIFICATE-----\n" } });
    oneError(/without a PEM certificate/, env, {}, { "/ca": { ok: true, text: "nothing" } });
    oneError(/is not a file/, env, {}, { "/ca": { ok: false, problem: "is not a file" } });
  });
});

describe("warnings", () => {
  const warnings = (env: Env, flags: Flags = {}) => parsed({ ...upstream, ...env }, flags).warnings.join("\n");
  it("name a listen address that is not loopback", () => {
    assert.match(
      warnings({ KEYFRAME_LISTEN: "0.0.0.0:6380" }),
      /^KEYFRAME_LISTEN is 0\.0\.0\.0:6380, which is not a loopback/,
    );
    assert.match(warnings({}, { listen: "[::]:6380" }), /^--listen is \[::\]:6380/);
    assert.equal(
      warnings({ KEYFRAME_ADMIN: "0.0.0.0:9465" }),
      "",
      "probes come from outside; the admin address has no secrets",
    );
  });
  it("name a query that is ignored", () =>
    assert.match(warnings({ KEYFRAME_UPSTREAM: "redis://h?a=b" }), /The query of KEYFRAME_UPSTREAM/));
  it("name a password in the process list", () =>
    assert.match(warnings({}, { upstream: "redis://:p@h" }), /process list shows --upstream/));
  it("name a user without a password", () =>
    assert.match(warnings({ KEYFRAME_UPSTREAM: "redis://u@h" }), /no password/));
});

describe("a list of sentinels, as Open WebUI has it", () => {
  const hosts = { KEYFRAME_SENTINEL_HOSTS: "s1, s2,", KEYFRAME_SENTINEL_PORT: "26380" };
  const upstreamOf = (url: string, env: Env = {}) =>
    parsed({ KEYFRAME_UPSTREAM: url, ...hosts, ...env }).config.upstream;
  const nodes = [
    { host: "s1", port: 26_380 },
    { host: "s2", port: 26_380 },
  ];

  it("makes the URL's host the master's name, letter for letter", () => {
    const expected = { kind: "sentinel", nodes, master: "MyMaster", tls: false, db: 1 };
    assert.deepEqual(upstreamOf("redis://MyMaster:6379/1"), expected);
    assert.deepEqual(upstreamOf("rediss://MyMaster/1"), { ...expected, tls: true });
  });
  it("has Sentinel's usual port by default", () => {
    const env = { KEYFRAME_UPSTREAM: "redis://m", KEYFRAME_SENTINEL_HOSTS: "s1" };
    const { upstream } = parsed(env).config;
    assert.deepEqual(upstream.kind === "sentinel" && upstream.nodes, [{ host: "s1", port: 26_379 }]);
  });
  it("is shown the URL's credentials, unless it has its own", () => {
    const base = { kind: "sentinel", nodes, master: "m", tls: false, db: 0, username: "app", password: "hush" };
    const borrowed = { sentinelUsername: "app", sentinelPassword: "hush", sentinelLoginOptional: true };
    assert.deepEqual(upstreamOf("redis://app:hush@m"), { ...base, ...borrowed });
    const own = { KEYFRAME_SENTINEL_PASSWORD: "whisper" };
    assert.deepEqual(upstreamOf("redis://app:hush@m", own), { ...base, sentinelPassword: "whisper" });
    assert.deepEqual(upstreamOf("redis://m"), { kind: "sentinel", nodes, master: "m", tls: false, db: 0 });
  });
  it("counts as none where it is empty, with its port", () => {
    assert.equal(upstreamOf("redis://h", { KEYFRAME_SENTINEL_HOSTS: " " }).kind, "static");
  });
  it("is not for a URL that names sentinels itself", () => {
    const env = { KEYFRAME_UPSTREAM: "redis+sentinel://s/0/m", KEYFRAME_SENTINEL_HOSTS: "s1" };
    oneError(/^KEYFRAME_SENTINEL_HOSTS="s1" is set, but KEYFRAME_UPSTREAM names sentinels itself\./, env);
  });
  it("holds hosts without ports", () => {
    oneError(/^KEYFRAME_SENTINEL_HOSTS="s1:26379" has an entry that is neither/, {
      KEYFRAME_SENTINEL_HOSTS: "s1:26379",
    });
    oneError(/^KEYFRAME_SENTINEL_HOSTS="," names no host/, { KEYFRAME_SENTINEL_HOSTS: "," });
  });
});

it("what the injector keeps in the sidecar's environment is not a setting", () => {
  parsed({ ...upstream, KEYFRAME_INJECTED: "{}", KEYFRAME_ORIGINAL_REDIS_URL: "redis://x" });
});
