/** The command line without a process: which command runs, what it writes, which code it returns. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { startAdmin } from "../../../src/admin/server.js";
import type { Command } from "../../../src/cli/command.js";
import { run } from "../../../src/cli/run.js";
import { version } from "../../../src/cli/version.js";
import type { Env } from "../../../src/config/types.js";
import { silentLog } from "../../../src/core/ports.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const goldens = join(root, "test/unit/cli/golden");
const folder = mkdtempSync(join(tmpdir(), "keyframe-cli-"));
after(() => rmSync(folder, { recursive: true }));

async function cli(args: string[], env: Env = {}, commands?: readonly Command[]) {
  const out: string[] = [];
  const err: string[] = [];
  const io = { env, stdout: (text: string) => void out.push(text), stderr: (text: string) => void err.push(text) };
  const code = await run(args, io, commands);
  return { code, out: out.join(""), err: err.join("") };
}

/** Compares with a file that REFRESH_GOLDEN=1 writes anew; its difference is to be read like code. */
function golden(name: string, text: string): void {
  const file = join(goldens, name);
  if (process.env.REFRESH_GOLDEN) writeFileSync(file, text);
  assert.equal(text, readFileSync(file, "utf8"));
}

const env = { KEYFRAME_UPSTREAM: "redis+sentinel://app:hidden@s1,s2/1/mymaster", KEYFRAME_ADMIN: "0.0.0.0:9465" };

describe("keyframe", () => {
  it("--help prints commands and settings", async () => {
    const { code, out, err } = await cli(["--help"]);
    assert.deepEqual({ code, err }, { code: 0, err: "" });
    golden("help.txt", out);
    for (const line of out.split("\n")) assert.ok(line.length <= 120, line);
    assert.equal((await cli(["-h"])).out, out);
    assert.equal((await cli(["help"])).out, out);
  });
  it("--version prints the package's version", async () => {
    const { version: expected } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
    assert.deepEqual(await cli(["--version"]), { code: 0, out: `${expected}\n`, err: "" });
    assert.equal(version(), expected);
  });
  it("<command> --help prints that command", async () => {
    const { code, out } = await cli(["config", "--help"]);
    assert.equal(code, 0);
    assert.match(out, /^Usage: keyframe config \[flags\]/);
    assert.doesNotMatch(out, /healthcheck/);
  });
  for (const [args, words] of [
    [[], /name a command: sidecar, config, healthcheck/],
    [["--listen", "x"], /name a command/],
    [["sidcar"], /unknown command. Did you mean sidecar\?/],
    [["frobnicate"], /unknown command. The commands are sidecar/],
    [["constructor"], /unknown command/],
  ] as const) {
    it(`${args.join(" ") || "without arguments"} is wrong usage`, async () => {
      const { code, out, err } = await cli([...args]);
      assert.deepEqual({ code, out }, { code: 2, out: "" });
      assert.match(err, words);
    });
  }
  it("runs whatever command is in its list, with its arguments and its code", async () => {
    const seen: (readonly string[])[] = [];
    const extra: Command = {
      name: "extra",
      summary: "Test.",
      switches: [],
      run: async (args) => {
        seen.push(args);
        return 1;
      },
    };
    assert.equal((await cli(["extra", "a", "--b"], {}, [extra])).code, 1);
    assert.deepEqual(seen, [["a", "--b"]]);
  });
});

describe("keyframe config", () => {
  it("prints aligned text", async () => {
    const { code, out, err } = await cli(["config", "--hold", "2s"], { ...env, KEYFRAME_LOG_LEVEL: "debug" });
    assert.deepEqual({ code, err }, { code: 0, err: "" });
    golden("config.txt", out);
  });
  it("prints JSON", async () => {
    const { code, out } = await cli(["config", "--json", "--listen=0.0.0.0:6380"], env);
    assert.equal(code, 0);
    const { settings, warnings } = JSON.parse(out);
    assert.deepEqual(settings.KEYFRAME_LISTEN, { value: "0.0.0.0:6380", source: "flag" });
    assert.deepEqual(settings.KEYFRAME_UPSTREAM, {
      value: "redis+sentinel://app:***@s1:26379,s2:26379/1/mymaster",
      source: "env",
    });
    assert.deepEqual(settings.KEYFRAME_UPSTREAM_CA, { value: null, source: "default" });
    assert.equal(warnings.length, 1);
  });
  it("prints warnings to stderr", async () => {
    const { code, err } = await cli(["config", "--listen=0.0.0.0:6380"], env);
    assert.equal(code, 0);
    assert.match(err, /^warning: --listen is 0\.0\.0\.0:6380/);
  });
  it("prints all errors, those of the arguments too, and no value of an argument", async () => {
    const args = [
      "config",
      "stray",
      "--upstream-password",
      "hunter2",
      "--hold",
      "--frames=on",
      "--json=yes",
      "--",
      "hunter3",
    ];
    const { code, out, err } = await cli(args, { KEYFRAME_BATCH_FRAMES: "none" });
    assert.deepEqual({ code, out }, { code: 2, out: "" });
    golden("errors.txt", err);
    assert.doesNotMatch(err, /hunter/);
  });
  it("knows no flags by inheritance", async () => {
    const { code, err } = await cli(["config", "--constructor", "--__proto__", "x"], env);
    assert.equal(code, 2);
    assert.match(err, /--constructor is not a flag/);
    assert.match(err, /--__proto__ is not a flag/);
  });
  it("reads the files that settings name", async () => {
    const password = join(folder, "password");
    const big = join(folder, "big");
    writeFileSync(password, "hidden\n");
    writeFileSync(big, Buffer.alloc(1024 * 1024 + 1));
    const url = { KEYFRAME_UPSTREAM: "rediss://h" };
    const good = await cli(["config"], { ...url, KEYFRAME_UPSTREAM_PASSWORD_FILE: password });
    assert.equal(good.code, 0);
    assert.match(good.out, /rediss:\/\/:\*\*\*@h:6379\/0/);
    assert.doesNotMatch(good.out, /hidden/);
    for (const [path, words] of [
      [join(folder, "absent"), /cannot be read \(ENOENT\)/],
      [folder, /is not a file/],
      [big, /larger than 1MiB/],
    ] as const) {
      const { code, err } = await cli(["config"], { ...url, KEYFRAME_UPSTREAM_CA: path });
      assert.equal(code, 2);
      assert.match(err, words);
    }
  });
});

describe("keyframe healthcheck", () => {
  const check = (args: string[], admin: string) => cli(["healthcheck", ...args], { KEYFRAME_ADMIN: admin });

  it("asks the admin address, and knows health from readiness", async () => {
    const metrics = { contentType: "text/plain", render: async () => "" };
    const ready = () => ({ ready: false, reasons: ["starting"] });
    const admin = await startAdmin({ host: "0.0.0.0", port: 0, ready, metrics, log: silentLog });
    try {
      assert.deepEqual(await check([], admin.address), { code: 0, out: "ok\n", err: "" });
      const { code, err } = await check(["--ready"], admin.address);
      assert.equal(code, 1);
      assert.match(err, /starting/);
    } finally {
      await admin.close();
    }
  });
  it("fails when nobody answers", async () => {
    const { code, err } = await check([], "127.0.0.1:1");
    assert.equal(code, 1);
    assert.match(err, /^http:\/\/127\.0\.0\.1:1\/healthz: ECONNREFUSED/);
  });
  it("fails when the answer does not come", async () => {
    const server = createServer(() => {}).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { code } = await check([], `127.0.0.1:${(server.address() as AddressInfo).port}`);
    server.close();
    server.closeAllConnections();
    assert.equal(code, 1);
  });
  it("is wrong usage with an address it cannot know or read, and with unknown flags", async () => {
    assert.equal((await check([], "127.0.0.1:0")).code, 2);
    assert.equal((await check([], "nowhere")).code, 2);
    assert.equal((await check(["--rdy"], "127.0.0.1:1")).code, 2);
  });
});
