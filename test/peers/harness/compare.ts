/** Turns scenarios into tests: each runs in the world without sidecars and in those with, and all must see the same. */
import assert from "node:assert/strict";
import { after, before, type TestContext, test } from "node:test";
import { type Figures, sentence } from "./figures.js";
import { differences, sizeOf } from "./transcript.js";
import { type Scenario, type Way, World, type WorldPlan } from "./world.js";

export interface Comparison {
  plan: WorldPlan;
  /** The worlds with sidecars, by name. The one without is always there. */
  ways: Record<string, Exclude<Way, "direct">>;
  scenarios: Scenario[];
  /** What a scenario's figures must be, beside equal transcripts and nothing undelivered. */
  check?(scenario: Scenario, way: string, direct: Figures, through: Figures): void;
}

/** Defines one test for each scenario. The worlds are started once and run side by side: each has its own server. */
export function compare(comparison: Comparison): void {
  const { plan, scenarios } = comparison;
  const ways = Object.keys(comparison.ways);
  const worlds = new Map<string, World>();

  // For work on the scenarios themselves: no sidecar anywhere, so every difference is one that Redis alone makes.
  const alone = process.env.PEERS_WITHOUT_SIDECARS === "1";

  before(async () => {
    const started = await Promise.allSettled([
      World.start(plan, "direct").then((world) => worlds.set("direct", world)),
      ...ways.map((name) =>
        World.start(plan, alone ? "direct" : comparison.ways[name]!).then((world) => worlds.set(name, world)),
      ),
    ]);
    for (const one of started) if (one.status === "rejected") throw one.reason;
  });
  after(() => Promise.all([...worlds.values()].map((world) => world.stop())));

  for (const scenario of scenarios) {
    test(scenario.name, async (context) => {
      await runEverywhere(context, scenario, worlds, alone ? undefined : comparison.check);
    });
  }
  test("nothing comes afterwards", async () => {
    // A frame delivered twice or late would have been seen in the next scenario; the last one has no next.
    for (const [name, world] of worlds) {
      const { transcript } = await world.run({ name: "nothing", run: () => world.settle() });
      assert.equal(sizeOf(transcript), 0, `${name}: ${JSON.stringify([...transcript])}`);
    }
  });
}

async function runEverywhere(
  context: TestContext,
  scenario: Scenario,
  worlds: ReadonlyMap<string, World>,
  check: Comparison["check"],
): Promise<void> {
  // All to their end, so that a failure in one world does not leave another in the middle.
  const attempts = await Promise.allSettled([...worlds].map(([name, world]) => runIn(name, world, scenario)));
  const runs = attempts.map((attempt) => {
    if (attempt.status === "rejected") throw attempt.reason;
    return attempt.value;
  });
  const direct = runs.find((run) => run.name === "direct");
  assert.ok(direct, "the world without sidecars has run");
  assert.ok(sizeOf(direct.transcript) > 0, "somebody sees something");
  for (const run of runs) {
    if (run === direct) continue;
    context.diagnostic(`${run.name}: ${sentence(direct.cost, run.cost)}`);
    assert.deepEqual(differences(direct.transcript, run.transcript), [], `${run.name}: as without sidecars`);
    assert.equal(run.cost.undelivered, 0, `${run.name}: no frame undelivered`);
    check?.(scenario, run.name, direct.cost, run.cost);
  }
}

async function runIn(name: string, world: World, scenario: Scenario) {
  try {
    return { name, ...(await world.run(scenario)) };
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}
