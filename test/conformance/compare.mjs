// Sets two legs side by side and says what each difference means for the verdict. Pure: no processes, no files.

/**
 * @typedef {{ outcome: string, seconds: number, reason: string }} Outcome
 * @typedef {Map<string, Outcome>} Outcomes
 * @typedef {{ id: string, direct: string, through: string, reason: string }} Difference
 * @typedef {{ passed: number, runs: number }} Again
 */

/** Counts by file: `passed`, `failed`, `skipped`, and `missing` (ended in the direct leg, not in this one). */
export function countByFile(outcomes, direct, files) {
  return files.map((file) => {
    const counts = { file, passed: 0, failed: 0, skipped: 0, missing: 0 };
    for (const [id, { outcome }] of outcomes) if (fileOf(id) === file) counts[outcome] += 1;
    for (const id of direct.keys()) if (fileOf(id) === file && !outcomes.has(id)) counts.missing += 1;
    return counts;
  });
}

function fileOf(id) {
  return id.slice(0, id.indexOf("::"));
}

/** @returns {Difference[]} every test whose outcome is not the same in both legs; absent tests count as "missing" */
export function differences(direct, through) {
  const found = [];
  for (const id of new Set([...direct.keys(), ...through.keys()])) {
    const a = direct.get(id)?.outcome ?? "missing";
    const b = through.get(id)?.outcome ?? "missing";
    if (a !== b)
      found.push({ id, direct: a, through: b, reason: through.get(id)?.reason || direct.get(id)?.reason || "" });
  }
  return found;
}

/**
 * What a difference means. Only a test that passed direct and did not pass through the sidecar can fail the run. Many of
 * these tests race against a tenth of a second: one that passes each time it is tried again is shown, and fails nothing; one
 * that also failed direct in its retries proves nothing.
 *
 * @param {Difference} difference
 * @param {{ direct: Again, through: Again } | undefined} again retries on both ways, if there were any
 * @param {string | undefined} byDesign why this difference is intended, if it is listed as such
 * @returns {{ kind: "by-design" | "flaky-direct" | "flaky-through" | "worse" | "better", fails: boolean }}
 */
export function judge(difference, again, byDesign) {
  if (difference.direct !== "passed") return { kind: "better", fails: false };
  if (again !== undefined && again.direct.passed < again.direct.runs) return { kind: "flaky-direct", fails: false };
  if (byDesign !== undefined) return { kind: "by-design", fails: false };
  const recovered = again !== undefined && again.through.runs > 0 && again.through.passed === again.through.runs;
  return { kind: recovered ? "flaky-through" : "worse", fails: !recovered };
}

/** The counts of all legs as lines of text, one row a file and a total. */
export function table(legs, files) {
  const head = ["file", ...legs.flatMap(({ name }) => [`${name}: pass`, "fail", "skip", "none"])];
  const cells = files.map((file, row) => [
    file,
    ...legs.flatMap(({ counts }) => {
      const c = counts[row];
      return [c.passed, c.failed, c.skipped, c.missing].map(String);
    }),
  ]);
  const total = head.map((_, column) =>
    column === 0 ? "all" : String(cells.reduce((sum, row) => sum + Number(row[column]), 0)),
  );
  const rows = [head, ...cells, total];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "),
  );
}
