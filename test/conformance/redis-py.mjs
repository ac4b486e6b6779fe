// redis-py's own test suite, first straight against a server, then through a sidecar, then through a sidecar that takes
// the suite's channels for frame channels (so that its broker serves them). A test that passes direct and not through a
// sidecar fails the run, unless by-design.json names it for that leg with a reason.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run as command } from "../setup/lib.mjs";
import { serverBinaries, setUpServer } from "../setup/server.mjs";
import { countByFile, differences, judge, table } from "./compare.mjs";
import { FILES, runLeg } from "./legs.mjs";
import { buildSidecar, startServer, startSidecar } from "./processes.mjs";
import { REDIS_PY, setUpSuite } from "./setup.mjs";

// All names and patterns of the suite but `*oo`, `*ar` and those that begin with byte 0x80: the list takes text and
// patterns with a literal prefix only, so these stay with the server, beside the broker's, as they would in production.
const SUITE_CHANNELS = "foo,bar,baz,quux,f*,b*,my-channel-*,uni*";

/**
 * Runs the suite on all legs and prints what came of it.
 *
 * @param {{ legs: string, sequential: boolean, limit: string, retries: string }} options see run.mjs
 * @param {string[]} positionals files or node ids in place of all files
 * @returns {Promise<object & { failures: number }>} everything, for --out
 */
export async function runRedisPy(options, positionals) {
  const tests = positionals.length > 0 ? positionals : FILES;
  const limitMs = Number(options.limit) * 1000;
  const retries = Number(options.retries);
  const byDesign = JSON.parse(readFileSync(fileURLToPath(new URL("by-design.json", import.meta.url)), "utf8"));

  const where = await setUpSuite();
  await setUpServer();
  const binaries = serverBinaries();
  const { output: version } = await command(binaries.server, ["--version"], { env: binaries.env });

  const names = [...new Set(["direct", ...options.legs.split(",")])];
  for (const name of names) {
    if (!["direct", "sidecar", "frames"].includes(name)) throw new Error(`no such leg: ${name}`);
  }

  if (names.length > 1) await buildSidecar();

  /** Starts what one leg talks to. Each leg has a server of its own: the suite empties databases as it goes. */
  async function open(name) {
    const server = await startServer(binaries);
    if (name === "direct") return { name, port: server.port, stop: server.stop };
    const env = name === "frames" ? { KEYFRAME_CHANNELS: SUITE_CHANNELS } : {};
    const sidecar = await startSidecar(server.port, env);
    const stop = async () => {
      await sidecar.stop();
      await server.stop();
    };
    return { name, port: sidecar.port, stop };
  }

  async function run(leg) {
    console.log(`${leg.name}: started`);
    const result = await runLeg(where, leg.port, tests, limitMs);
    const cut = result.cut ? `, cut off by its limit of ${options.limit} s` : "";
    console.log(`${leg.name}: ${result.outcomes.size} tests ended in ${result.seconds.toFixed(0)} s${cut}`);
    if (result.outcomes.size === 0) console.log(result.tail.join("\n"));
    return { ...leg, ...result };
  }

  const opened = [];
  for (const name of names) opened.push(await open(name));
  const legs = [];
  if (options.sequential) for (const leg of opened) legs.push(await run(leg));
  else legs.push(...(await Promise.all(opened.map(run))));
  const direct = legs[0];
  for (const leg of legs) leg.counts = countByFile(leg.outcomes, direct.outcomes, FILES);

  /** Runs some tests again, alone, `retries` times: id -> how often it passed. */
  async function again(leg, ids) {
    const passed = new Map(ids.map((id) => [id, { passed: 0, runs: 0 }]));
    for (let i = 0; i < retries && ids.length > 0; i++) {
      const { outcomes } = await runLeg(where, leg.port, ids, limitMs);
      for (const [id, count] of passed) {
        count.runs += 1;
        if (outcomes.get(id)?.outcome === "passed") count.passed += 1;
      }
    }
    return passed;
  }

  const report = { redisPy: REDIS_PY, server: version.trim(), channels: SUITE_CHANNELS, legs: [] };
  let failures = direct.outcomes.size === 0 ? 1 : 0;
  const lines = [];
  for (const leg of legs) {
    const found = leg === direct ? [] : differences(direct.outcomes, leg.outcomes);
    const doubtful = found.filter((one) => one.direct === "passed").map((one) => one.id);
    const [directAgain, legAgain] = await Promise.all([again(direct, doubtful), again(leg, doubtful)]);
    const judged = found.map((one) => {
      const retried = directAgain.has(one.id)
        ? { direct: directAgain.get(one.id), through: legAgain.get(one.id) }
        : undefined;
      const listed = byDesign[leg.name]?.[one.id];
      return { ...one, ...judge(one, retried, listed), again: retried, listed };
    });
    for (const one of judged) {
      if (one.fails) failures += 1;
      const tries = one.again
        ? `; again: direct ${one.again.direct.passed}/${one.again.direct.runs}, ${leg.name} ${one.again.through.passed}/${one.again.through.runs}`
        : "";
      lines.push(`${leg.name} ${one.kind}: ${one.id}`);
      lines.push(`    direct ${one.direct}, ${leg.name} ${one.through}${tries}`);
      lines.push(`    ${(one.listed ?? one.reason).split("\n").slice(0, 3).join("\n    ")}`);
    }
    if (positionals.length === 0) {
      for (const id of Object.keys(byDesign[leg.name] ?? {})) {
        if (!found.some((one) => one.id === id))
          lines.push(`${leg.name}: listed as by design, but no difference: ${id}`);
      }
    }
    report.legs.push({
      name: leg.name,
      seconds: leg.seconds,
      cut: leg.cut,
      counts: leg.counts,
      differences: judged,
      failedDirect:
        leg === direct ? [...leg.outcomes].filter(([, o]) => o.outcome === "failed").map(([id]) => id) : undefined,
    });
  }
  for (const [id, { outcome, reason }] of direct.outcomes) {
    if (outcome === "failed") lines.push(`direct failed: ${id}`, `    ${reason.split("\n")[0]}`);
  }
  for (const leg of opened) await leg.stop();

  console.log(`\nredis-py ${REDIS_PY} against ${version.trim()}`);
  console.log(table(legs, FILES).join("\n"));
  console.log(legs.map((leg) => `${leg.name} ${leg.seconds.toFixed(0)} s`).join(", "));
  if (lines.length > 0) console.log(`\n${lines.join("\n")}`);
  console.log(failures === 0 ? "\nredis-py: nothing is worse through the sidecar" : `\nredis-py: ${failures} failed`);
  return { ...report, failures };
}
