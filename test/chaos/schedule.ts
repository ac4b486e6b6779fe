/**
 * What happens to the fleet and when: rounds of faults that follow from the seed alone. Pure. Times are relative to the
 * round's begin, because how long the fleet takes to settle between two rounds is the machine's affair.
 */
import { random } from "../../bench/generate/text.js";

export const faultKinds = [
  "master-kill",
  "failover",
  "replica-kill",
  "sentinel-kill",
  "sidecar-kill",
  "cut",
  "latency",
  "slow-app",
  "mixed",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface Fault {
  readonly kind: FaultKind;
  /** Begin, milliseconds after the round's. */
  readonly at: number;
  /** How long it lasts, milliseconds; of a killed thing: how long it stays away. */
  readonly lastsMs: number;
  /** The pod it happens to, where it happens to one. */
  readonly pod: number;
  /** A cut: "silent" swallows the bytes until it heals, "reset" ends connections and refuses new ones. */
  readonly how: "silent" | "reset";
  /** A killed master comes back as a replica, or still believes that it is the master. */
  readonly returns: "replica" | "master";
  /** A guest without a sidecar listens by pattern; else on the channels themselves. */
  readonly pattern: boolean;
}

export interface Round {
  readonly number: number;
  readonly faults: readonly Fault[];
}

/** Two of these at once would only be one of them: sentinels do one failover at a time. */
const ofTheMaster: readonly FaultKind[] = ["master-kill", "failover"];

/** Shortest and longest, milliseconds. Short ones are as likely as long ones: the logarithm is drawn evenly. */
const lasting: Readonly<Record<FaultKind, readonly [number, number]>> = {
  "master-kill": [500, 4_000],
  failover: [0, 0],
  "replica-kill": [1_000, 6_000],
  "sentinel-kill": [1_000, 8_000],
  "sidecar-kill": [100, 3_000],
  cut: [1_000, 20_000],
  latency: [3_000, 8_000],
  "slow-app": [3_000, 12_000],
  mixed: [1_500, 6_000],
};

/**
 * Rounds without end. Every kind comes up before any comes up again; a round has one to three of them, which may overlap.
 * @param pods how many pods faults can happen to
 */
export function* rounds(seed: number, kinds: readonly FaultKind[], pods: number): Generator<Round> {
  const next = random(seed * 31 + 7);
  const pick = (count: number) => Math.floor(next() * count);
  let deck: FaultKind[] = [];
  const draw = (taken: readonly FaultKind[]): FaultKind | undefined => {
    if (deck.length === 0) deck = shuffled(kinds, pick);
    const fits = (kind: FaultKind) =>
      !taken.includes(kind) && !(ofTheMaster.includes(kind) && taken.some((one) => ofTheMaster.includes(one)));
    const at = deck.findIndex(fits);
    return at < 0 ? undefined : deck.splice(at, 1)[0];
  };
  for (let number = 1; ; number++) {
    const count = 1 + pick(10) / 10;
    const taken: FaultKind[] = [];
    const faults: Fault[] = [];
    for (let i = 0; i < (count < 1.2 ? 1 : count < 1.7 ? 2 : 3); i++) {
      const kind = draw(taken);
      if (kind === undefined) break;
      taken.push(kind);
      const [shortest, longest] = lasting[kind];
      const lastsMs = shortest === 0 ? 0 : Math.round(shortest * (longest / shortest) ** next());
      faults.push({
        kind,
        at: Math.round(next() * 3_000),
        lastsMs,
        pod: pick(pods),
        how: next() < 0.6 ? "silent" : "reset",
        returns: next() < 0.7 ? "replica" : "master",
        pattern: next() < 0.4,
      });
    }
    faults.sort((a, b) => a.at - b.at);
    yield { number, faults };
  }
}

function shuffled<T>(items: readonly T[], pick: (count: number) => number): T[] {
  const left = [...items];
  const out: T[] = [];
  while (left.length > 0) out.push(...left.splice(pick(left.length), 1));
  return out;
}

/** One line for people. */
export function describe(fault: Fault): string {
  const seconds = `${(fault.lastsMs / 1000).toFixed(1)} s`;
  switch (fault.kind) {
    case "master-kill":
      return `master killed, back after ${seconds} as a ${fault.returns}`;
    case "failover":
      return "SENTINEL FAILOVER";
    case "replica-kill":
      return `a replica away for ${seconds}`;
    case "sentinel-kill":
      return `a sentinel away for ${seconds}`;
    case "sidecar-kill":
      return `sidecar ${fault.pod} killed, back after ${seconds}`;
    case "cut":
      return `pod ${fault.pod} cut off (${fault.how}) for ${seconds}`;
    case "latency":
      return `pod ${fault.pod} 200 ms away for ${seconds}`;
    case "slow-app":
      return `an app reads nothing for ${seconds}`;
    case "mixed":
      return `a pod without a sidecar ${fault.pattern ? "(by pattern) " : ""}for ${seconds}`;
  }
}
