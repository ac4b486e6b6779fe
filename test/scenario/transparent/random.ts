/**
 * Cases that nobody thought of: random conversations of one connection, RESP2 and RESP3, with subscriptions of both
 * kinds, transactions, protocol changes and resets, while a second connection publishes. The same seed gives the same
 * conversation. Not in the vocabulary is what two servers may order differently (a channel that is heard by way of the
 * broker and of the server at once, a publisher that hears itself), what a connection with frame channels is refused on
 * purpose (CLIENT REPLY, subscribing within a transaction), and what we answer in other words while a RESP2 connection
 * listens: shard channels, which only the server counts, and wrong arity, which the server notices before it refuses.
 */
import type { Case, Step } from "./differential.js";
import { send } from "./differential.js";

const frames = ["socketio", "socketio#/#a", "socketio#/#b"];
const others = ["news", "tasks", "socket"];
const patterns = ["socketio#*", "new*", "socket.io#/#*", "t?sks"];

/** Numbers in [0, 1) from a seed (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One conversation of about a dozen steps, each of one to four requests (or transactions) in one write. */
export function conversation(seed: number): Case {
  const next = numbers(seed);
  const below = (n: number) => Math.floor(next() * n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const some = (from: readonly string[]) => Array.from({ length: 1 + below(3) }, () => pick(from)).join(" ");
  // Often wanted requests stand first; the square of a number leans towards zero.
  const requests: (() => string)[] = [
    () => `SUBSCRIBE ${some([...frames, ...others])}`,
    () => `UNSUBSCRIBE ${some([...frames, ...others])}`,
    () => `PSUBSCRIBE ${some(patterns)}`,
    () => `PUNSUBSCRIBE ${some(patterns)}`,
    () => pick(["PING", "PING hello", "ping"]),
    () => pick(["GET k", "INCR n", "HGETALL h", "GET none", "LPUSH k x", "SET k v", "ECHO x"]),
    () => pick(["UNSUBSCRIBE", "PUNSUBSCRIBE"]),
    () => pick(["HELLO 3", "HELLO 3", "HELLO 2", "HELLO", "HELLO 9"]),
    () => pick(["PUBLISH nobody x", "PUBLISH socket.io#nobody x"]),
    () =>
      pick([
        "EXEC",
        "DISCARD",
        "WATCH k",
        "UNWATCH",
        "MULTI+GET k+SET k v+EXEC",
        "MULTI+INCR n+DISCARD",
        "MULTI+HGET h f+EXEC",
      ]),
    () => pick(["SELECT 1", "SELECT 0", "SELECT 99", "CLIENT SETNAME me", "CLIENT GETNAME", "CLIENT NO-EVICT OFF"]),
    () => "RESET",
  ];
  const steps: Step[] = [];
  if (below(2) === 0) steps.push(send("a", "HELLO 3"));
  let wholesale = false;
  for (let left = 8 + below(8); left > 0; left--) {
    const batch = Array.from({ length: 1 + below(4) }, () =>
      (requests[Math.floor(next() ** 2 * requests.length)] ?? pick(requests))().split("+"),
    ).flat();
    wholesale ||= batch.some((one) => /^P?UNSUBSCRIBE$/.test(one));
    steps.push(send("a", ...batch));
    if (below(3) === 0) steps.push(send("b", `PUBLISH ${pick([...frames, ...others])} m${left}`));
  }
  if (below(4) === 0) steps.push(send("a", "QUIT"));
  // How many heard a frame is not the sidecar's to say; only the publisher's replies are masked.
  return { name: `a random conversation, seed ${seed}`, steps, look: { a: wholesale ? "names" : [], b: "integers" } };
}

/** Conversations of `count` seeds from `from` on; KEYFRAME_SEED=n begins elsewhere, KEYFRAME_SEEDS=n plays more. */
export function randomCases(from: number, count: number): Case[] {
  const begin = Number(process.env.KEYFRAME_SEED ?? from);
  const many = Number(process.env.KEYFRAME_SEEDS ?? (process.env.KEYFRAME_SEED ? 1 : count));
  return Array.from({ length: many }, (_, i) => conversation(begin + i));
}
