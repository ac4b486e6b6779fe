// The server's own TCL suites in external mode: straight against a server, then through a sidecar, then unit/pubsub
// once more through a sidecar that takes its channels for frame channels. Each unit of each leg has a fresh server and
// sidecar: some units leave settings behind that the next one stumbles over. One thing runs at a time; they are short,
// and many tests measure time.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { countByFile, differences, judge, table } from "./compare.mjs";
import { buildSidecar, startServer, startSidecar } from "./processes.mjs";
import { setUpTcl } from "./tcl-setup.mjs";
import { runUnit, UNITS } from "./tcl-units.mjs";

/** Names and patterns of unit/pubsub, but for keyspace notifications. */
const PUBSUB_CHANNELS = "chan1,chan2,chan3,chan.bar,chan.foo,mychan,foo*,bar*,baz*,foo.*,bar.*,chan.*";

/** Leg -> the units it runs, and the sidecar's settings; no settings, no sidecar. */
const LEGS = {
  direct: { units: UNITS },
  sidecar: { units: UNITS, env: {} },
  frames: { units: ["unit/pubsub"], env: { KEYFRAME_CHANNELS: PUBSUB_CHANNELS } },
};

/**
 * Runs the suites on all legs and prints what came of it.
 *
 * @param {{ legs: string, limit: string, retries: string }} options see run.mjs
 * @param {string[]} chosen units in place of all
 * @returns {Promise<object & { failures: number }>} everything, for --out
 */
export async function runTcl(options, chosen) {
  const where = await setUpTcl();
  await buildSidecar();
  const byDesign = JSON.parse(readFileSync(fileURLToPath(new URL("by-design.json", import.meta.url)), "utf8"));
  const units = chosen.length > 0 ? chosen : UNITS;
  const unknown = units.find((unit) => !UNITS.includes(unit));
  if (unknown !== undefined) throw new Error(`no such unit: ${unknown} (${UNITS.join(", ")})`);
  const limitMs = Number(options.limit) * 1000;
  const once = (name, unit) => runOnce(where, LEGS[name], unit, limitMs);

  const legs = [];
  for (const name of new Set(["direct", ...options.legs.split(",")])) {
    if (!(name in LEGS)) throw new Error(`no such leg: ${name}`);
    const leg = { name, outcomes: new Map(), seconds: 0, cut: [] };
    for (const unit of units.filter((one) => LEGS[name].units.includes(one))) {
      const { outcomes, seconds, cut, tail } = await once(name, unit);
      for (const [id, outcome] of outcomes) leg.outcomes.set(id, outcome);
      leg.seconds += seconds;
      if (cut) leg.cut.push(unit);
      console.log(`${name} ${unit}: ${outcomes.size} tests in ${seconds.toFixed(0)} s${cut ? ", cut off" : ""}`);
      if (outcomes.size === 0) console.log(tail.join("\n"));
    }
    legs.push(leg);
  }

  const direct = legs[0];
  const report = { server: where.name, legs: [] };
  const lines = [];
  // A direct run that did not come to its end proves nothing.
  let failures = direct.cut.length;
  for (const unit of direct.cut) lines.push(`direct did not end: ${unit}`);
  for (const [id, { outcome, reason }] of direct.outcomes) {
    if (outcome === "failed") lines.push(`direct failed: ${id}`, `    ${reason.split("\n")[0]}`);
  }
  for (const leg of legs) {
    const expected = new Map([...direct.outcomes].filter(([id]) => LEGS[leg.name].units.includes(unitOf(id))));
    leg.counts = countByFile(leg.outcomes, expected, units);
    const listed = byDesign[`tcl ${leg.name}`] ?? {};
    const found = differences(expected, leg.outcomes);
    const again = await runAgain(
      found.filter((one) => one.direct === "passed" && listed[one.id] === undefined).map((one) => one.id),
      Number(options.retries),
      (unit) => once("direct", unit),
      (unit) => once(leg.name, unit),
    );
    const judged = found.map((one) => {
      const tries = again.get(one.id);
      const verdict = judge(one, tries, listed[one.id]);
      return { ...one, ...verdict, again: tries, listed: listed[one.id] };
    });
    for (const one of judged) {
      if (one.fails) failures += 1;
      lines.push(...describe(leg.name, one));
    }
    for (const id of Object.keys(listed)) {
      const ran = units.includes(unitOf(id));
      if (ran && !found.some((one) => one.id === id)) {
        lines.push(`${leg.name}: listed as by design, but no difference: ${id}`);
      }
    }
    report.legs.push({
      name: leg.name,
      seconds: leg.seconds,
      cut: leg.cut,
      counts: leg.counts,
      differences: judged,
      failedDirect: leg === direct ? [...leg.outcomes].filter(([, o]) => o.outcome === "failed").map(([id]) => id) : [],
    });
  }

  console.log(`\nTCL suites of ${where.name}`);
  console.log(table(legs, units).join("\n"));
  console.log(legs.map((leg) => `${leg.name} ${leg.seconds.toFixed(0)} s`).join(", "));
  if (lines.length > 0) console.log(`\n${lines.join("\n")}`);
  console.log(failures === 0 ? "\ntcl: nothing is worse through the sidecar" : `\ntcl: ${failures} failed`);
  return { ...report, failures };
}

function unitOf(id) {
  return id.slice(0, id.indexOf("::"));
}

/** One unit on one leg, with a server of its own. Tests of replication and encodings need DEBUG. */
async function runOnce(where, { env }, unit, limitMs) {
  const server = await startServer(where.binaries, ["--enable-debug-command", "yes"]);
  try {
    if (env === undefined) return await runUnit(where, server.port, unit, limitMs);
    const sidecar = await startSidecar(server.port, env);
    try {
      return await runUnit(where, sidecar.port, unit, limitMs);
    } finally {
      await sidecar.stop();
    }
  } finally {
    await server.stop();
  }
}

/** Runs the units of these tests again, both ways: id -> how often each way passed. */
async function runAgain(ids, times, direct, through) {
  const tries = new Map(ids.map((id) => [id, { direct: { passed: 0, runs: 0 }, through: { passed: 0, runs: 0 } }]));
  for (const unit of new Set(ids.map(unitOf))) {
    for (let i = 0; i < times; i++) {
      const seen = { direct: (await direct(unit)).outcomes, through: (await through(unit)).outcomes };
      for (const id of ids.filter((one) => unitOf(one) === unit)) {
        for (const way of ["direct", "through"]) {
          tries.get(id)[way].runs += 1;
          if (seen[way].get(id)?.outcome === "passed") tries.get(id)[way].passed += 1;
        }
      }
    }
  }
  return tries;
}

function describe(leg, one) {
  const { again } = one;
  const tries = again
    ? `; again: direct ${again.direct.passed}/${again.direct.runs}, ${leg} ${again.through.passed}/${again.through.runs}`
    : "";
  return [
    `${leg} ${one.kind}: ${one.id}`,
    `    direct ${one.direct}, ${leg} ${one.through}${tries}`,
    `    ${(one.listed ?? one.reason).split("\n").slice(0, 3).join("\n    ")}`,
  ];
}
