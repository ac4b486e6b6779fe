// The end-to-end run: real Open WebUI, two replicas on one server, told the same stories directly and through a
// keyframe sidecar beside each. See README.md here. Ends with code 1 when a text, an order or the goal is missed.
//
//   node test/e2e/run.mjs [--releases 0.9.5,newest] [--tokens 600] [--rate 50] [--skip-direct] [--skip-sidecar]
//                         [--split] [--by-command] [--out FILE]

import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cache, Missing, root } from "../setup/lib.mjs";
import { serverBinaries, setUpServer } from "../setup/server.mjs";
import { firstDifference } from "./compare.mjs";
import { startFleet } from "./fleet.mjs";
import { findPostgres } from "./postgres.mjs";
import { endEverything, stopEverything } from "./processes.mjs";
import { findPython, findUv, newestRelease, prepareRelease } from "./python.mjs";
import { outRatios, table } from "./report.mjs";
import { STORIES, tellStory } from "./scenarios.mjs";

/** Where every frame holds the whole text so far, the sidecars must save this much of what leaves the server. */
const GOAL = 20;

/** Releases before this one send the whole text so far with every token. */
const DELTAS_SINCE = [0, 11, 1];

const began = performance.now();

function say(text) {
  process.stderr.write(`e2e ${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s: ${text}\n`);
}

function options() {
  const { values } = parseArgs({
    options: {
      releases: { type: "string", default: "0.9.5,newest" },
      tokens: { type: "string", default: "600" },
      rate: { type: "string", default: "50" },
      "skip-direct": { type: "boolean", default: false },
      "skip-sidecar": { type: "boolean", default: false },
      split: { type: "boolean", default: false },
      "by-command": { type: "boolean", default: false },
      out: { type: "string" },
    },
  });
  const number = (name) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < 1) throw new Missing(`--${name} is a whole number, at least 1`);
    return value;
  };
  const modes = ["direct", "sidecar"].filter((mode) => !values[`skip-${mode}`]);
  if (modes.length === 0) throw new Missing("with --skip-direct and --skip-sidecar there is nothing to do");
  return { ...values, releases: values.releases.split(","), tokens: number("tokens"), rate: number("rate"), modes };
}

/** Everything that has to be on the machine, made ready where it is not. */
async function prepare({ releases, modes }) {
  if (modes.includes("sidecar") && !existsSync(join(root, "dist/main.js"))) {
    throw new Missing("dist/main.js is missing: run `npm run build` first, or pass --skip-sidecar");
  }
  await setUpServer();
  const binaries = serverBinaries();
  if (!binaries) throw new Missing("no Valkey or Redis server was found");
  const postgresBin = await findPostgres(cache);
  const python = await findPython();
  const uv = await findUv(cache);
  const wanted = [];
  for (const name of releases) wanted.push(name === "newest" ? await newestRelease(uv, python) : name);
  const interpreters = new Map();
  for (const version of new Set(wanted)) {
    interpreters.set(version, await prepareRelease(version, { uv, python, cache }));
  }
  return { binaries, postgresBin, interpreters };
}

/** Runs all stories on a fresh fleet of one release. */
async function runMode(version, mode, python, { binaries, postgresBin }, { tokens, rate, split, logs, ...more }) {
  const place = join(logs, version, mode);
  await mkdir(place, { recursive: true });
  say(`open-webui ${version}, ${mode}`);
  const fleet = await startFleet({
    mode,
    python,
    postgresBin,
    binaries,
    logs: place,
    split,
    byCommand: more["by-command"],
    say,
  });
  try {
    const stories = [];
    for (const story of STORIES) {
      stories.push(await tellStory(fleet, story, { tokens, rate }));
      say(`${story.name}: ${stories.at(-1).failures.length === 0 ? "all tabs agree" : "FAILED"}`);
    }
    return { mode, server: fleet.server.name, postgres: fleet.postgres.version, stories };
  } finally {
    await fleet.stop();
  }
}

/** What is wrong between the two runs of a release, and whether the goal is met. */
function compareModes(version, direct, sidecar) {
  const failures = [];
  const ratios = [];
  for (const [index, story] of direct.stories.entries()) {
    const other = sidecar.stories[index];
    for (const [chat, sequence] of story.sequences.entries()) {
      const differs = firstDifference(sequence, other.sequences[chat]);
      if (differs) failures.push(`${story.name}, chat ${chat}: direct and sidecar runs differ: ${differs}`);
    }
    const ratio = outRatios(story, other);
    ratios.push({ story: story.name, ...ratio });
    if (isBefore(version, DELTAS_SINCE) && ratio.total < GOAL) {
      failures.push(`${story.name}: ${ratio.total.toFixed(1)} times fewer bytes out of the server, goal ${GOAL}`);
    }
  }
  return { failures, ratios };
}

function isBefore(version, limit) {
  const parts = version.split(".").map((part) => Number.parseInt(part, 10));
  for (const [index, bound] of limit.entries()) if ((parts[index] ?? 0) !== bound) return (parts[index] ?? 0) < bound;
  return false;
}

async function main() {
  const chosen = options();
  const logs = join(cache, "e2e-logs");
  const prepared = await prepare(chosen);
  const report = {
    machine: { cpus: cpus().length, model: cpus()[0]?.model, node: process.version },
    tokens: chosen.tokens,
    rate: chosen.rate,
    split: chosen.split,
    releases: [],
  };
  const failures = [];
  for (const [version, python] of prepared.interpreters) {
    const modes = {};
    const entry = { version, failures: [] };
    for (const mode of chosen.modes) {
      try {
        modes[mode] = await runMode(version, mode, python, prepared, { ...chosen, logs });
        for (const story of modes[mode].stories) {
          entry.failures.push(...story.failures.map((text) => `${mode}, ${story.name}: ${text}`));
        }
      } catch (error) {
        entry.failures.push(`${mode}: ${error.stack}`);
      }
    }
    Object.assign(entry, modes);
    if (modes.direct && modes.sidecar) {
      const between = compareModes(version, modes.direct, modes.sidecar);
      entry.ratios = between.ratios;
      entry.failures.push(...between.failures);
    }
    print(version, modes, entry);
    failures.push(...entry.failures);
    report.releases.push(entry);
  }
  if (chosen.out) await writeReport(resolve(chosen.out), report);
  say(failures.length === 0 ? "passed" : `${failures.length} failures; logs in ${logs}`);
  return failures.length === 0 ? 0 : 1;
}

function print(version, modes, entry) {
  const { server, postgres } = modes.direct ?? modes.sidecar ?? {};
  const lines = ["", `Open WebUI ${version}, two replicas, ${server}, ${postgres}`];
  for (const [index, { name }] of STORIES.entries()) {
    if (!server) break;
    lines.push("", ...table(name, modes.direct?.stories[index], modes.sidecar?.stories[index]));
  }
  lines.push("", ...entry.failures.map((text) => `  FAILED ${text}`));
  process.stdout.write(`${lines.join("\n")}\n`);
}

/** The report without the events themselves. */
async function writeReport(path, report) {
  await mkdir(dirname(path), { recursive: true });
  const text = JSON.stringify(report, (key, value) => (key === "sequences" ? undefined : value), 2);
  await writeFile(path, `${text}\n`);
}

// However the run ends, what it started is ended with it.
process.on("exit", endEverything);
const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
for (const [signal, code] of Object.entries(signals)) {
  process.once(signal, async () => {
    say(`${signal}: ending everything`);
    await stopEverything();
    process.exit(code);
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`\n${error instanceof Missing ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
// A connection that a broken step left open must not keep the run alive; the report has been written by now.
setTimeout(() => process.exit(), 5000).unref();
