/**
 * One question to all sentinels at once: where is the master? Each has its own deadline. Sentinels that are announced in
 * the answers are asked too, in the same question, so that one stale sentinel in the URL does not speak for all.
 */
import type { Redis } from "ioredis";
import { type Address, addressOf, showAddress } from "./address.js";
import type { Answer } from "./choose.js";
import { type Clients, SilentError } from "./client.js";

/** What one sentinel says; `answer` is undefined where it does not know the name. */
export interface Saying {
  answer: Answer | undefined;
  others: Address[];
}

export interface Outcome {
  answers: Answer[];
  /** What those that named no master said, for the operator. */
  refusals: string[];
}

export interface QuestionOptions {
  /** The name that is asked for. */
  master: string;
  nodes: readonly Address[];
  ask(node: Address): Promise<Saying>;
  /** Takes announced ones in; returns those that are new. */
  learn(others: readonly Address[]): Address[];
  /** Looked at after each answer: true ends the question for the one who asked. */
  enough(answers: readonly Answer[]): boolean;
  /** Called once all have answered or not, which may be later. */
  over(answered: readonly Address[], failed: readonly { node: Address; silent: boolean }[]): void;
}

/** Asks, and resolves once the answers are enough or no more can come. */
export function askAll(options: QuestionOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    const outcome: Outcome = { answers: [], refusals: [] };
    const answered: Address[] = [];
    const failed: { node: Address; silent: boolean }[] = [];
    let pending = 0;
    const start = (node: Address) => {
      pending++;
      void options
        .ask(node)
        .then(
          ({ answer, others }) => {
            answered.push(node);
            if (answer !== undefined) outcome.answers.push(answer);
            else outcome.refusals.push(`${showAddress(node)} does not know master "${options.master}"`);
            for (const found of options.learn(others)) start(found);
          },
          (error: Error) => {
            failed.push({ node, silent: error instanceof SilentError });
            outcome.refusals.push(`${showAddress(node)}: ${error.message}`);
          },
        )
        .then(() => {
          pending--;
          if (pending === 0 || options.enough(outcome.answers)) resolve(outcome);
          if (pending === 0) options.over(answered, failed);
        });
    };
    for (const node of options.nodes) start(node);
  });
}

/** Asks one sentinel for the address, its epoch, and the others. */
export function askOne(clients: Clients, node: Address, master: string): Promise<Saying> {
  return clients.converse(node, async (client: Redis) => {
    // The address from get-master-addr-by-name: in a failover SENTINEL MASTER pairs the old address with the new epoch.
    const named = client.call("SENTINEL", "get-master-addr-by-name", master);
    // Only the first must be allowed and known.
    const optional = (...words: string[]) => client.call("SENTINEL", ...words).catch(() => undefined);
    const [reply, state, peers, id] = await Promise.all([
      named,
      optional("master", master),
      optional("sentinels", master),
      optional("myid"),
    ]);
    const others = Array.isArray(peers) ? peers.flatMap(announced) : [];
    const address = Array.isArray(reply) ? addressOf(reply[0], reply[1]) : undefined;
    if (address === undefined) return { answer: undefined, others };
    const fields = fieldsOf(state);
    const epoch = Number(fields.get("config-epoch") ?? "-1");
    const total = Number(fields.get("num-other-sentinels") ?? "0") + 1;
    return { answer: { id: typeof id === "string" ? id : undefined, address, epoch, total }, others };
  });
}

/** A flat list of names and values. */
function fieldsOf(reply: unknown): Map<string, string> {
  const fields = new Map<string, string>();
  if (!Array.isArray(reply)) return fields;
  for (let i = 0; i + 1 < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]));
  return fields;
}

/** Another sentinel's address, unless the one that announces it finds it dead itself. */
function announced(entry: unknown): Address[] {
  const fields = fieldsOf(entry);
  const address = addressOf(fields.get("ip"), fields.get("port"));
  const down = /down|disconnected/.test(fields.get("flags") ?? "");
  return address === undefined || down ? [] : [address];
}
