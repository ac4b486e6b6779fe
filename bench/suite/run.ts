/**
 * Runs sections one after another. A section that fails is recorded and the others go on; what the machine did besides is
 * looked at before and during each.
 */
import { type MachineTime, machineTime, othersBetween } from "./cpu.js";
import type { AnySection, Outcome } from "./section.js";

/** Above this share of all cores in other hands, a section's times are called noisy. */
const NOISY = 0.08;
/** How long the machine is looked at before a section. */
const LOOK_MS = 1_000;
/** A section that takes this much longer than its budget is given up. */
const PATIENCE = 2;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function look(): Promise<number> {
  const before = machineTime();
  await sleep(LOOK_MS);
  return othersBetween(before, machineTime()).others;
}

/** Rejects when the section has not ended in time. Its processes end with this one. */
async function patiently<T>(promise: Promise<T>, seconds: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${seconds.toFixed(0)} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs one section. Never rejects. */
export async function runSection(section: AnySection, quick: boolean, say: (line: string) => void): Promise<Outcome> {
  const budget = quick ? section.budgetSeconds.quick : section.budgetSeconds.full;
  const othersBefore = await look();
  const began = performance.now();
  const before: MachineTime = machineTime();
  const outcome: Outcome = {
    name: section.name,
    about: section.about,
    seconds: 0,
    budgetSeconds: budget,
    othersBefore,
    othersDuring: 0,
    stolen: 0,
    noisy: false,
  };
  say(`== ${section.name}: ${section.about} (about ${budget} s)`);
  try {
    const running = section.run({ quick, seconds: budget }, (line) => say(`   ${line}`));
    outcome.result = await patiently(running, budget * PATIENCE + 30);
  } catch (error) {
    outcome.failure = error instanceof Error ? (error.stack ?? error.message) : String(error);
    say(`   FAILED: ${outcome.failure}`);
  }
  const { others, stolen } = othersBetween(before, machineTime());
  outcome.seconds = (performance.now() - began) / 1000;
  outcome.othersDuring = others;
  outcome.stolen = stolen;
  outcome.noisy = Math.max(othersBefore, others, stolen) > NOISY;
  say(`   ${outcome.seconds.toFixed(0)} s${outcome.noisy ? ", noisy" : ""}`);
  return outcome;
}
