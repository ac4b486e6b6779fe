/** The codec bench as a section: see bench/codec.ts. */

import { codecGoals, codecTables } from "../codec/tables.js";
import { benchCodec, type CodecResult } from "../codec.js";
import type { Section } from "./section.js";

export const codec: Section<CodecResult> = {
  name: "codec",
  about: "Recorded and made frames: bytes and microseconds of our diff, fossil-delta, VCDIFF, deflate and JSON Patch.",
  budgetSeconds: { full: 90, quick: 30 },
  run: ({ quick }, say) => benchCodec(quick ? 3 : 15, say),
  tables: codecTables,
  plots: () => [],
  goals: codecGoals,
};
