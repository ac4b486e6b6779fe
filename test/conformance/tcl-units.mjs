// Runs one unit of the server's own TCL suites against a port, and reads its output back: what each test came to.

import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "./processes.mjs";

export const UNITS = [
  "unit/pubsub",
  "unit/multi",
  "unit/tracking",
  "unit/scripting",
  "unit/type/list",
  "unit/protocol",
];

/** Without any progress for so long, the suite ends itself. */
const STALL_SECONDS = 60;

/**
 * @typedef {{ outcome: "passed" | "failed" | "skipped", seconds: number, reason: string }} Outcome
 */

/**
 * Collects outcomes from the suite's output, line by line. A name that comes up again gets a number.
 *
 * @param {string} unit what all ids begin with
 * @returns {{ line: (text: string) => void, outcomes: Map<string, Outcome>, done: () => boolean }} outcomes by id,
 *   `unit::name`; `done`: the suite has said that it came to the unit's end
 */
export function outcomeReader(unit) {
  const outcomes = new Map();
  let failing;
  let ended = false;
  const add = (name, outcome) => {
    let id = `${unit}::${name}`;
    for (let n = 2; outcomes.has(id); n++) id = `${unit}::${name} (${n})`;
    outcomes.set(id, outcome);
    return outcome;
  };
  const line = (text) => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the suite colours its output
    const plain = text.replace(/\x1b\[[0-9;]*m/g, "");
    const match = /^\[(ok|err|skip|ignore|exception)\]: (.*)$/.exec(plain);
    if (match === null) {
      if (/^\[\d+\/\d+ done\]: /.test(plain)) ended = true;
      // Behind a failed test come its reasons, until something else is reported.
      if (/^(\[|!!! WARNING|\S*The End)/.test(plain)) failing = undefined;
      else if (failing !== undefined) failing.reason += failing.reason === "" ? plain : `\n${plain}`;
      return;
    }
    failing = undefined;
    const [, kind, rest] = match;
    if (kind === "ok") {
      const time = / \((\d+) ms\)$/.exec(rest);
      add(rest.replace(/ \(\d+ ms\)$/, ""), { outcome: "passed", seconds: Number(time?.[1] ?? 0) / 1000, reason: "" });
    } else if (kind === "err" || kind === "exception") {
      const name = kind === "err" ? rest.replace(/ in \S+\.tcl$/, "") : "the unit itself";
      failing = add(name, { outcome: "failed", seconds: 0, reason: kind === "err" ? "" : rest });
    } else {
      add(rest, { outcome: "skipped", seconds: 0, reason: rest });
    }
  };
  return { line, outcomes, done: () => ended };
}

/**
 * Runs a unit in external mode against 127.0.0.1:`port`.
 *
 * @param {import("./tcl-setup.mjs").Where} where
 * @param {number} port where the tests connect
 * @param {string} unit such as `unit/pubsub`
 * @param {number} limitMs time limit; tests that have not ended by then have no outcome
 * @returns {Promise<{ outcomes: Map<string, Outcome>, seconds: number, cut: boolean, tail: string[] }>} `cut`: ended by
 *   the limit, or by the suite itself because nothing went on
 */
export async function runUnit(where, port, unit, limitMs) {
  // The suite writes into its own tests/tmp.
  const folder = mkdtempSync(join(tmpdir(), "keyframe-tcl-"));
  cpSync(join(where.source, "tests"), join(folder, "tests"), { recursive: true });
  mkdirSync(join(folder, "tests/tmp"), { recursive: true });
  const began = Date.now();
  // Where its processes talk to each other: the first free port of the 32 below.
  const basePort = 20_032 + Math.floor(Math.random() * 9000);
  const args = ["--host", "127.0.0.1", "--port", String(port), "--baseport", String(basePort), "--clients", "1"];
  args.push("--durable", "--timeout", String(STALL_SECONDS), "--single", unit);
  const { line, outcomes, done } = outcomeReader(unit);
  const run = launch(where.tclsh, ["tests/test_helper.tcl", ...args], { cwd: folder, group: true, onLine: line });
  const limit = setTimeout(run.stop, limitMs);
  await run.exited;
  clearTimeout(limit);
  rmSync(folder, { recursive: true, force: true });
  return { outcomes, seconds: (Date.now() - began) / 1000, cut: !done(), tail: run.tail };
}
