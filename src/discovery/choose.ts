/**
 * Which of the addresses that sentinels name is the master. Pure. Sentinel's own rule comes first: of two configurations
 * the one with the higher epoch is the newer one. Epochs alone are not enough: they can be equal (a sentinel that was set
 * up anew begins at 0), and a single sentinel may be behind the world or belong to another one.
 */
import { type Address, showAddress } from "./address.js";

/** What one sentinel answered that knows the master's name. */
export interface Answer {
  /** The sentinel's own id, where it says one: one sentinel that is known by two addresses has one vote. */
  id: string | undefined;
  address: Address;
  /** config-epoch of the master; -1 where the sentinel does not say. */
  epoch: number;
  /** How many sentinels there are by its count, itself included. */
  total: number;
}

/** minority: most name another; split: as many name another; stale: older than what was known before. */
export type Disagreement = "minority" | "split" | "stale";

export type Choice =
  | { kind: "master"; address: Address; epoch: number; total: number }
  | { kind: "refused"; reason: Disagreement; text: string };

interface Candidate {
  address: Address;
  epoch: number;
  votes: number;
}

/** One answer for each sentinel; of two with one id the one with the higher epoch. */
function distinct(answers: readonly Answer[]): Answer[] {
  const byId = new Map<string, Answer>();
  const nameless: Answer[] = [];
  for (const answer of answers) {
    if (answer.id === undefined) nameless.push(answer);
    else if ((byId.get(answer.id)?.epoch ?? Number.NEGATIVE_INFINITY) < answer.epoch) byId.set(answer.id, answer);
  }
  return [...byId.values(), ...nameless];
}

function candidatesOf(answers: readonly Answer[]): Candidate[] {
  const byAddress = new Map<string, Candidate>();
  for (const { address, epoch } of answers) {
    const key = showAddress(address);
    const candidate = byAddress.get(key) ?? { address, epoch, votes: 0 };
    candidate.votes++;
    candidate.epoch = Math.max(candidate.epoch, epoch);
    byAddress.set(key, candidate);
  }
  return [...byAddress.values()];
}

/** What is known beside the answers themselves. */
export interface Known {
  /** The highest epoch acted on before, or -1. */
  epoch: number;
  /**
   * How many sentinels there are by what else is known: the URL names some, and a choice before this one has counted
   * them. A sentinel that was set up anew believes that it is alone, and must not be a majority of one.
   */
  total: number;
}

/** How many sentinels there are, by the largest count that there is. */
function totalOf(answers: readonly Answer[], known: Known): number {
  return Math.max(answers.length, known.total, ...answers.map((answer) => answer.total));
}

/**
 * The highest epoch wins, and of equal ones the address that most name. The winner is refused
 * - while a majority of those that answered names another: a switch is not over, or one sentinel errs;
 * - where as many name another with the same epoch;
 * - if its epoch is below one that was acted on before and no majority of all sentinels stands behind it: what is left
 *   of the sentinels on this side of a partition, or one that has just booted, must not lead us back.
 *
 * @param answers  of sentinels that know the name, at least one
 */
export function choose(answers: readonly Answer[], known: Known): Choice {
  const votes = distinct(answers);
  const candidates = candidatesOf(votes).sort((a, b) => b.epoch - a.epoch || b.votes - a.votes);
  const [best, second] = candidates;
  if (best === undefined) throw new Error("no answers to choose from");
  const named = () => candidates.map((one) => `${one.votes} name ${showAddress(one.address)} (epoch ${one.epoch})`);
  const refused = (reason: Disagreement, why: string): Choice => ({
    kind: "refused",
    reason,
    text: `the sentinels disagree, ${why}: ${named().join(", ")}`,
  });
  if (candidates.some((other) => other !== best && other.votes * 2 > votes.length)) {
    return refused("minority", "most name an older master");
  }
  if (second !== undefined && second.epoch === best.epoch && second.votes === best.votes) {
    return refused("split", "as many name another");
  }
  const total = totalOf(votes, known);
  if (best.epoch < known.epoch && best.votes * 2 <= total) {
    return refused("stale", `epoch ${known.epoch} was heard before`);
  }
  // What this choice was made by is what the next one is measured against: a deployment may also become smaller.
  const counted = Math.max(...votes.map((answer) => answer.total));
  return { kind: "master", address: best.address, epoch: best.epoch, total: counted };
}

/** The address that all name who have answered so far, once they are more than half of all sentinels. */
export function unanimous(answers: readonly Answer[], known: Known): Address | undefined {
  const votes = distinct(answers);
  const [only, other] = candidatesOf(votes);
  return other === undefined && votes.length * 2 > totalOf(votes, known) ? only?.address : undefined;
}
