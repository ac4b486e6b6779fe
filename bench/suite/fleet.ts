/** The fleet's scenes (bench/fleet) as sections: what many chats cost many pods, and what memory it takes. */
import type { BytesResult } from "../fleet/bytes.js";
import type { Goal as FleetGoal } from "../fleet/figures.js";
import type { GrowthResult } from "../fleet/growth.js";
import type { IdleWorkersResult } from "../fleet/idle-workers.js";
import type { LoadResult } from "../fleet/load.js";
import type { MemoryResult } from "../fleet/memory.js";
import { scenes, shares } from "../fleet/scenes.js";
import * as plots from "./fleet-plots.js";
import * as tables from "./fleet-tables.js";
import { number } from "./markdown.js";
import type { AnySection, Goal, NamedPlot, Section, Table } from "./section.js";

/** Seconds for each scene in a quick run. */
const QUICK: Record<keyof typeof scenes, number> = { load: 45, "idle-workers": 18, bytes: 24, growth: 24, memory: 20 };

/** A goal of a scene as the report shows it. */
function shown({ goal, measured, bound, is, met }: FleetGoal): Goal {
  return {
    what: goal,
    aim: `${is === "least" ? "≥" : "≤"} ${bound}`,
    measured: measured === null ? "not measured" : number(measured, Math.abs(measured) < 10 ? 2 : 1),
    met,
  };
}

interface Shown<Result> {
  tables(result: Result): Table[];
  plots?(result: Result): NamedPlot[];
}

function section<Result extends { goals: FleetGoal[] }>(
  name: keyof typeof scenes,
  about: string,
  { tables: tablesOf, plots: plotsOf }: Shown<Result>,
): Section<Result> {
  return {
    name,
    about,
    budgetSeconds: { full: shares[name], quick: QUICK[name] },
    run: async ({ quick, seconds }, say) => {
      const scene = scenes[name] as unknown as (
        options: { seconds: number; quick: boolean },
        say: (line: string) => void,
      ) => Promise<Result>;
      return scene({ seconds, quick }, say);
    },
    tables: tablesOf,
    plots: plotsOf ?? (() => []),
    goals: ({ goals }) => goals.map(shown),
  };
}

/** All scenes, in the order in which they run. */
export const fleetSections: readonly AnySection[] = [
  section<LoadResult>(
    "load",
    "1 to 300 chats of 50 tokens a second over four pods, straight and through sidecars in turn: CPU, latency, memory, until something is full.",
    { tables: tables.load, plots: plots.load },
  ),
  section<IdleWorkersResult>(
    "idle-workers",
    "What a pod's worker spends on frames that none of its users is to see, beside a pod that publishes for its own.",
    { tables: tables.idleWorkers },
  ),
  section<BytesResult>("bytes", "Bytes into and out of the server by release, and by where a user's sockets are.", {
    tables: tables.bytesTables,
  }),
  section<GrowthResult>("growth", "How cost grows with pods, 2 to 64, and with chats, 1 to 2,000.", {
    tables: tables.growth,
    plots: plots.growth,
  }),
  section<MemoryResult>("memory", "What sidecars hold: with 0 to 5,000 streams of 32 KB, and over very many frames.", {
    tables: tables.memory,
  }),
];
