/**
 * One answer of some length through the server, as several releases publish it: what goes into and out of the server straight,
 * with upstream's own remedies, deflated, and through sidecars. A light listener in every pod reads and compares every byte.
 */
import {
  type Answer,
  type AnswerShape,
  answerOf,
  answerShapes,
  chunked,
  deflated,
  textBytes,
} from "./answer/frames.js";
import { type LegResult, runLeg } from "./answer/leg.js";
import { Stack } from "./answer/stack.js";
import { answerGoals, answerPlots, answerTables } from "./answer/tables.js";
import type { Section } from "./section.js";

/** A way of sending the answer, and what its reader gets. */
export interface AnswerRow {
  shape: AnswerShape;
  tokens: number;
  pods: number;
  /** As in WAYS, or "sidecar". */
  way: string;
  /** How many pods have the user. */
  listeners: number;
  /** Tokens a frame: 1 is every update. */
  chunk: number;
  /** Frames a second; as fast as replies allow where it is absent. */
  pace?: number;
  /** One for each run. */
  runs: LegResult[];
}

export interface AnswerResult {
  rows: AnswerRow[];
  /** Bytes of the text alone, by number of tokens. */
  text: Record<string, number>;
}

/** What upstream recommends, in tokens a frame. */
const CHUNKS = [5, 10, 20] as const;
/** Tokens a second of a model; in a quick run more, still too far apart to be gathered. */
const PACE = 50;
const QUICK_PACE = 150;
const PACED_TOKENS = 600;
const DEFLATE_LEVELS = [1, 6] as const;

interface Leg extends Omit<AnswerRow, "runs"> {
  run(): Promise<LegResult>;
}

/** Publishes a whole answer and answers what it took. */
async function whole(
  stack: Stack,
  way: "direct" | "sidecar",
  { frames, channel }: Pick<Answer, "frames" | "channel">,
  listeners: readonly number[],
  pace?: number,
): Promise<LegResult> {
  const parts = [{ frames, measured: true }];
  const [result] = await runLeg(stack, { way, parts, channel, listeners, ...(pace === undefined ? {} : { pace }) });
  return result!;
}

/** All ways for one shape and length on one stack; the sidecars' leg begins and ends the round. */
function legsOf(stack: Stack, shape: AnswerShape, tokens: number, chats: () => number): Leg[] {
  const pods = stack.sidecars.length;
  const every = Array.from({ length: pods }, (_, pod) => pod);
  const base = { shape, tokens, pods, listeners: pods, chunk: 1 };
  const made = answerOf(shape, tokens, chats());
  const direct = (way: string, frames: typeof made.frames, more: Partial<Leg> = {}): Leg => ({
    ...base,
    ...more,
    way,
    run: () => whole(stack, "direct", { ...made, frames }, every.slice(-(more.listeners ?? pods))),
  });
  // Frames of another chat each time: what the sidecars remember of the last one must not help.
  const sidecar = (listeners: number): Leg => ({
    ...base,
    way: "sidecar",
    listeners,
    run: () => whole(stack, "sidecar", answerOf(shape, tokens, chats()), every.slice(-listeners)),
  });
  const legs = [sidecar(pods), direct("direct", made.frames)];
  for (const chunk of CHUNKS) legs.push(direct(`direct, chunk size ${chunk}`, chunked(made, chunk), { chunk }));
  for (const level of DEFLATE_LEVELS) legs.push(direct(`deflate, level ${level}`, deflated(made.frames, level)));
  // A room's channel is heard by the pods that have the user: here one, which is not the one that publishes.
  legs.push(direct("direct, user on one pod", made.frames, { listeners: 1 }));
  if (shape === "0.12.4") legs.push(sidecar(1));
  legs.push(sidecar(pods));
  return legs;
}

/** The same answers at the pace of a model, so that nobody says that gathering frames made the figure. */
function pacedLegs(stack: Stack, pace: number, shapes: readonly AnswerShape[], chats: () => number): Leg[] {
  const pods = stack.sidecars.length;
  const every = Array.from({ length: pods }, (_, pod) => pod);
  return shapes.map((shape) => ({
    shape,
    tokens: PACED_TOKENS,
    pods,
    way: "sidecar",
    listeners: pods,
    chunk: 1,
    pace,
    run: () => whole(stack, "sidecar", answerOf(shape, PACED_TOKENS, chats()), every, pace),
  }));
}

async function run(quick: boolean, say: (line: string) => void): Promise<AnswerResult> {
  const lengths = quick ? [600, 2_000] : [600, 2_000, 4_000, 8_000];
  const result: AnswerResult = { rows: [], text: {} };
  for (const tokens of lengths) result.text[tokens] = textBytes(tokens);
  let chat = 0;
  const chats = () => ++chat;
  const record = async (leg: Leg) => {
    const { run: go, ...row } = leg;
    const one = await go();
    const known = result.rows.find(
      (each) =>
        each.shape === row.shape &&
        each.tokens === row.tokens &&
        each.pods === row.pods &&
        each.way === row.way &&
        each.listeners === row.listeners &&
        each.pace === row.pace,
    );
    if (known === undefined) result.rows.push({ ...row, runs: [one] });
    else known.runs.push(one);
    return one;
  };
  for (const pods of [2, 4]) {
    const stack = await Stack.start(pods);
    try {
      // The script is loaded and everybody's code compiled before anything counts.
      for (const shape of answerShapes) {
        const listeners = Array.from({ length: pods }, (_, pod) => pod);
        await whole(stack, "sidecar", answerOf(shape, 200, chats()), listeners);
      }
      for (const shape of answerShapes) {
        for (const tokens of lengths) {
          const began = performance.now();
          for (const leg of legsOf(stack, shape, tokens, chats)) await record(leg);
          say(`${pods} pods, ${shape}, ${tokens} tokens: ${((performance.now() - began) / 1000).toFixed(1)} s`);
        }
      }
      const paced = pacedLegs(stack, quick ? QUICK_PACE : PACE, quick || pods === 2 ? ["0.11.0"] : answerShapes, chats);
      if (!quick || pods === 4) for (const leg of paced) await record(leg);
    } finally {
      await stack.stop();
    }
  }
  return result;
}

export const oneAnswer: Section<AnswerResult> = {
  name: "one-answer",
  about:
    "One answer, two and four pods: bytes into and out of the server, straight, with upstream's remedies, and with sidecars.",
  budgetSeconds: { full: 240, quick: 45 },
  run: ({ quick }, say) => run(quick, say),
  tables: answerTables,
  plots: answerPlots,
  goals: answerGoals,
};
