/** Does the harm that the schedule names, and heals it. What each kind disturbs, and so what must still arrive, is said here. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Server } from "../support/server.js";
import { eventually } from "../support/wait.js";
import { type Chat, chatsOf } from "./chats.js";
import { RawEar } from "./ears.js";
import type { Fleet } from "./fleet.js";
import type { Model } from "./model.js";
import { type PublishingApp, RawPool } from "./pool.js";
import type { Fault, Round } from "./schedule.js";
import { Talker } from "./talkers.js";

export interface World {
  readonly fleet: Fleet;
  readonly model: Model;
  /** The ear of each pod that stops reading where an app is slow. */
  readonly slow: readonly RawEar[];
  /** The publishing apps of each pod. */
  readonly apps: readonly (readonly PublishingApp[])[];
  /** Every channel that chats use. */
  readonly channels: readonly string[];
  readonly seed: number;
  now(): number;
}

/** Before harm is done, what has been published in calm gets this long to arrive. */
const ARRIVE_MS = 10_000;
const LATENCY_MS = 200;

export interface Done {
  /** When the first harm was done. */
  readonly harmedAt: number;
  /** When the last was healed; the fleet has yet to settle. */
  readonly healedAt: number;
}

/** Carries out a round's faults, each at its time; resolves when all have healed. */
export async function carryOut(round: Round, world: World): Promise<Done> {
  const harmed: number[] = [];
  // One change of who serves at a time: sentinels do one failover at a time, and this test asks them who is the master.
  let last: Promise<unknown> = Promise.resolve();
  const exclusive = <T>(change: () => Promise<T>): Promise<T> => {
    const mine = last.then(change);
    last = mine.catch(() => {});
    return mine;
  };
  await Promise.all(
    round.faults.map(async (fault) => {
      await sleep(fault.at);
      for (const pod of disturbedBy(fault, world)) world.model.disturb(pod, world.now());
      await arrived(world);
      await harm(fault, round, world, exclusive, () => harmed.push(world.now()));
    }),
  );
  return { harmedAt: Math.min(...harmed), healedAt: world.now() };
}

/** Resolves once nothing is under way of which it is known that it must arrive. */
async function arrived({ model, now }: World): Promise<void> {
  const until = now();
  // Where it does not, the end of the round says what is missing.
  await eventually("all has arrived", () => !model.underWay(until), ARRIVE_MS, 50).catch(() => {});
}

/** The pods that may lose frames; -1 stands for those at the server itself. All others must not notice. */
function disturbedBy(fault: Fault, world: World): number[] {
  return [-1, ...world.fleet.pods.map(({ number }) => number)].filter((pod) => disturbs(fault, [pod]));
}

/** True where one of these pods may lose frames by it. */
export function disturbs(fault: Fault, pods: readonly number[]): boolean {
  if (fault.kind === "master-kill" || fault.kind === "failover") return true;
  return (fault.kind === "sidecar-kill" || fault.kind === "cut") && pods.includes(fault.pod);
}

async function harm(
  fault: Fault,
  round: Round,
  world: World,
  exclusive: <T>(change: () => Promise<T>) => Promise<T>,
  begun: () => void,
): Promise<void> {
  const { fleet, model, now } = world;
  const { group } = fleet;
  const pod = fleet.pods[fault.pod]!;
  switch (fault.kind) {
    case "master-kill": {
      const dead = await exclusive(async () => {
        begun();
        const killed = await group.killMaster();
        await group.agreed(killed.port);
        return killed;
      });
      await sleep(fault.lastsMs);
      await exclusive(async () => {
        const replicaof = await group.master();
        await group.restart(dead.port, fault.returns === "replica" ? { replicaof } : {});
      });
      return;
    }
    case "failover":
      await exclusive(async () => {
        begun();
        await group.failover();
      });
      return;
    case "replica-kill": {
      const dead = await exclusive(async () => {
        begun();
        return group.killReplica();
      });
      await sleep(fault.lastsMs);
      await exclusive(async () => group.restart(dead.port, { replicaof: await group.master() }));
      return;
    }
    case "sentinel-kill": {
      const index = fault.pod % group.sentinels.length;
      await exclusive(async () => {
        begun();
        await group.killSentinel(index);
      });
      await sleep(fault.lastsMs);
      await exclusive(() => group.restartSentinel(index));
      return;
    }
    case "sidecar-kill":
      await pod.look();
      begun();
      model.killed(pod.number, now());
      await pod.kill();
      await sleep(fault.lastsMs);
      await pod.start();
      for (const app of world.apps[fault.pod]!) app.letGo();
      return;
    case "cut":
      begun();
      pod.network.cut(fault.how);
      await sleep(fault.lastsMs);
      pod.network.heal();
      return;
    case "latency":
      begun();
      pod.network.delay(LATENCY_MS);
      await sleep(fault.lastsMs);
      pod.network.delay(0);
      return;
    case "slow-app": {
      begun();
      const slow = world.slow[fault.pod]!;
      slow.ear.excused.push({ from: now(), to: Number.POSITIVE_INFINITY });
      slow.pause();
      await sleep(fault.lastsMs);
      slow.resume();
      return;
    }
    case "mixed":
      begun();
      await guest(fault, round, world, await exclusive(() => group.masterServer()));
  }
}

/** A pod without a sidecar comes, listens and talks at the server itself, and leaves. */
async function guest(fault: Fault, round: Round, world: World, { port }: Server): Promise<void> {
  const { model, channels, now, seed } = world;
  const name = `guest of round ${round.number}`;
  const ear = model.ear(name, -1);
  // It stays where it is when the master changes: a known limit of pods without a sidecar, and no matter of ours.
  const followed = round.faults.some(({ kind }) => kind === "master-kill" || kind === "failover");
  if (followed) ear.excused.push({ from: 0, to: Number.POSITIVE_INFINITY });
  const patterns = ["socketio", "socketio#/#user:*", "socketio#/#chat:*"];
  const raw = new RawEar(ear, model, { port, channels, ...(fault.pattern && { patterns }) }, now);
  const app = new RawPool(name, port, 3);
  const [made] = chatsOf(seed + 5_000 + round.number, 1, 1, 8);
  const chat: Chat = { ...made!, number: 1_000 + round.number, pod: -1 };
  const talker = new Talker(chat, seed, app, model, now, 100, true);
  await Promise.race([raw.listening, sleep(5_000)]);
  await sleep(fault.lastsMs);
  await talker.stop();
  ear.excused.push({ from: now(), to: Number.POSITIVE_INFINITY });
  await arrived(world);
  raw.close();
  await app.stop();
}
