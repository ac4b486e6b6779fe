/** The sidecar's process from start to exit, with real signals: every way out, its code and its last log lines. */
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

interface Run {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  /** Resolves when a log line with that event has come. */
  saw(event: string): Promise<Record<string, unknown>>;
  /** The exit code and all events in order. */
  ended(): Promise<{ code: number | null; events: string[] }>;
}

function start(behaviour: string): Run {
  const script = fileURLToPath(new URL("fake-sidecar.js", import.meta.url));
  const child = spawn(process.execPath, [script, behaviour], { stdio: ["pipe", "pipe", "inherit"] });
  const lines: Record<string, unknown>[] = [];
  const waiting: { event: string; resolve: (line: Record<string, unknown>) => void }[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (text) => {
    const line = JSON.parse(text);
    lines.push(line);
    for (const { event, resolve } of waiting) if (event === line.event) resolve(line);
  });
  const exit = Promise.all([once(child, "exit"), once(reader, "close")]);
  return {
    child,
    saw: (event) =>
      new Promise((resolve) => {
        const found = lines.find((line) => line.event === event);
        if (found) resolve(found);
        else waiting.push({ event, resolve });
      }),
    ended: async () => {
      const [[code]] = await exit;
      return { code, events: lines.map((line) => String(line.event)) };
    },
  };
}

describe("the sidecar's process", { timeout: 60_000 }, () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it(`drains at ${signal} and exits with 0`, async () => {
      const run = start("good");
      const { listen, admin } = await run.saw("listening");
      assert.deepEqual([listen, admin], ["127.0.0.1:1", "127.0.0.1:2"]);
      run.child.kill(signal);
      assert.equal((await run.saw("drain-called")).reason, signal);
      assert.deepEqual(await run.ended(), {
        code: 0,
        events: ["config-warning", "listening", "draining", "drain-called", "stopped"],
      });
    });
  }
  it("exits at once at a second signal", async () => {
    const run = start("slow-drain");
    await run.saw("listening");
    run.child.kill("SIGTERM");
    await run.saw("drain-called");
    run.child.kill("SIGINT");
    const { code, events } = await run.ended();
    assert.equal(code, 1);
    assert.equal(events.at(-1), "second-signal");
  });
  it("exits with 1 when draining takes longer than it may", async () => {
    const run = start("slow-drain");
    await run.saw("listening");
    run.child.kill("SIGTERM");
    const { code, events } = await run.ended();
    assert.equal(code, 1);
    assert.equal(events.at(-1), "drain-overdue");
  });
  it("exits with 1 when a signal comes and the start never ends", async () => {
    const run = start("slow-start");
    await run.saw("starting");
    run.child.kill("SIGTERM");
    assert.equal((await run.ended()).code, 1);
  });
  it("exits with 1 when draining fails", async () => {
    const run = start("bad-drain");
    await run.saw("listening");
    run.child.kill("SIGTERM");
    const { code, events } = await run.ended();
    assert.equal(code, 1);
    assert.equal(events.at(-1), "failed");
  });
  it("exits with 1 when it cannot start", async () => {
    assert.deepEqual(await start("no-start").ended(), { code: 1, events: ["config-warning", "failed"] });
  });
  for (const [what, event] of [
    ["throw", "uncaught-exception"],
    ["reject", "unhandled-rejection"],
  ] as const) {
    it(`exits with 1 after an ${event}`, async () => {
      const run = start("good");
      await run.saw("listening");
      run.child.stdin.write(`${what}\n`);
      const { code, events } = await run.ended();
      assert.equal(code, 1);
      assert.equal(events.at(-1), event);
    });
  }
  it("goes on when nobody reads its log any more", async () => {
    const run = start("good");
    await run.saw("listening");
    run.child.stdout.destroy();
    run.child.kill("SIGTERM");
    const [code] = await once(run.child, "exit");
    assert.equal(code, 0);
  });
});
