/** "Did you mean …": the nearest of the known names, for unknown variables, flags and commands. */

/** Edits (insert, delete, replace, swap of neighbours) that turn one text into the other. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

// What people add to a name that has it already: the table's durations carry their unit in the value.
const surplus = /-(?:url|uri|dsn|address|ms|sec|seconds|size)$/;

/**
 * The known name that `given` was probably meant to be, or undefined. A name counts as near within a third of its
 * length in edits (3 at most), or when one is the other with a whole word more.
 */
export function nearest(given: string, known: readonly string[]): string | undefined {
  const wanted = given.toLowerCase().replaceAll("_", "-").slice(0, 64);
  const bare = wanted.replace(surplus, "");
  if (known.includes(bare)) return bare;
  let best: string | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const name of known) {
    const cost = editDistance(wanted, name);
    if (cost <= Math.min(3, Math.ceil(name.length / 3)) && cost < bestCost) {
      best = name;
      bestCost = cost;
    }
  }
  if (best !== undefined) return best;
  const extended = known.filter((name) => wanted.startsWith(`${name}-`));
  if (extended.length > 0) return extended.sort((a, b) => b.length - a.length)[0];
  return known.find((name) => name.startsWith(`${wanted}-`));
}
