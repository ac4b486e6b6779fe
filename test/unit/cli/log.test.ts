/** Log lines: their form, their levels, and what is taken out of them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLog } from "../../../src/cli/log.js";
import type { LogLevel } from "../../../src/config/types.js";

function recorder(level: LogLevel = "debug", secrets: string[] = []) {
  const lines: string[] = [];
  const { log } = createLog({ level, secrets, destination: { write: (line) => void lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) };
}

describe("the log", () => {
  it("writes one JSON line: level as a word, time in ISO form, event, fields", () => {
    const { log, lines } = recorder();
    log.info("listening", { listen: "127.0.0.1:6380" });
    assert.match(
      lines[0]!,
      /^\{"level":"info","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","event":"listening","listen":"127\.0\.0\.1:6380"\}\n$/,
    );
  });
  it("writes the asked level and above", () => {
    const { log, lines } = recorder("warn");
    for (const level of ["debug", "info", "warn", "error"] as const) log[level](level);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).level),
      ["warn", "error"],
    );
  });
  it("keeps its own names for itself", () => {
    const { log, lines, last } = recorder();
    log.info("real", { event: "false", level: "false", time: 0 });
    assert.equal(last().event, "real");
    assert.equal(last().level, "info");
    assert.equal(last().field_event, "false");
    assert.equal(lines[0]!.match(/"level"/g)?.length, 1);
  });
  it("hides fields that are named like secrets, at any depth", () => {
    const { log, last } = recorder();
    log.info("x", {
      password: "a",
      sentinelPassword: 7,
      a: { b: { client_secret: ["c"] } },
      passwordSet: true,
      tokens: 3,
    });
    const { level: _level, time: _time, ...rest } = last();
    assert.deepEqual(rest, {
      event: "x",
      password: "***",
      sentinelPassword: "***",
      a: { b: { client_secret: "***" } },
      passwordSet: true,
      tokens: 3,
    });
  });
  it("takes credentials and known secrets out of any text", () => {
    const { log, last } = recorder("debug", ["s3cr3t"]);
    log.warn("x", { url: "redis://u:p@h", note: "it was s3cr3t" });
    assert.equal(last().url, "redis://***@h");
    assert.equal(last().note, "it was ***");
  });
  it("writes errors with code, cause and inner errors, and a stack at level error", () => {
    const { log, last } = recorder();
    const inner = Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    log.warn("dial", { error: new Error("dial redis://u:p@h", { cause: new AggregateError([inner]) }) });
    const { error } = last();
    assert.equal(error.message, "dial redis://***@h");
    assert.equal(error.cause.errors[0].code, "ECONNREFUSED");
    assert.equal(error.stack, undefined);
    log.error("dial", { error: inner });
    assert.match(last().error.stack, /log\.test/);
  });
  it("copes with whatever it is given", () => {
    const { log, lines, last } = recorder();
    const loop: Record<string, unknown> = { n: 1n, bytes: Buffer.from("payload"), f: () => 1, u: undefined };
    loop.self = loop;
    log.info("x", { loop, many: Array.from({ length: 1000 }, (_, i) => i), long: "x".repeat(1e5) });
    assert.equal(last().loop.n, "1");
    assert.equal(last().loop.bytes, "<7 bytes>");
    assert.equal(last().many.length, 50);
    assert.ok(lines[0]!.length < 6000);
    assert.doesNotMatch(lines[0]!, /payload/);
  });
});
