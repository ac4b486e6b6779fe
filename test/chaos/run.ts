/** One run: the fleet, its apps, and round after round of faults, each followed by a time in which all must be well. */
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, within } from "../support/wait.js";
import type { Chat } from "./chats.js";
import { RawEar } from "./ears.js";
import { carryOut, disturbs, type World } from "./faults.js";
import { Fleet } from "./fleet.js";
import { Model, type RoundSummary } from "./model.js";
import { type PublishingApp, RawPool } from "./pool.js";
import { type Deafness, Probe, PythonEar, PythonPublisher } from "./python-apps.js";
import { describe, type FaultKind, type Round, rounds } from "./schedule.js";
import { Talker } from "./talkers.js";

export interface RunOptions {
  seed: number;
  pods: number;
  kinds: readonly FaultKind[];
  chats: readonly Chat[];
}

export interface RoundResult {
  round: number;
  faults: string[];
  /** What may have made the probes deaf: the pods that they are in, or everybody, were disturbed by these. */
  deafening: FaultKind[];
  /** From the first harm to the last healing, and from there until all agreed on the master and were ready. */
  faultSeconds: number;
  readySeconds: number;
  frames: RoundSummary;
  /** Frames that the sidecars counted as undelivered, by reason. */
  counted: Record<string, number>;
  sidecar: Deafness;
  direct: Deafness;
}

/** A stream that has just been asked after needs its keyframe before all is well again. */
const CALM_MS = 1_000;
const ARRIVE_MS = 15_000;
/** python-socketio waits longer each time before it subscribes again. */
const HEAR_AGAIN_MS = 40_000;

/** The pods in which the probes publish and listen. */
const PROBES = { from: 1, to: 0 } as const;

const shown = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([what, count]) => `${what} ${count}`)
    .join(", ") || "none";

export class Run {
  readonly model: Model;
  readonly results: RoundResult[] = [];
  fleet: Fleet | undefined;
  readonly pythonLogs: { name: string; lines: string[] }[] = [];
  readonly began = performance.now();
  readonly now = () => performance.now() - this.began;
  #ears: RawEar[] = [];
  #pythonEars: PythonEar[] = [];
  #apps: PublishingApp[] = [];
  #talkers: Talker[] = [];
  #probes: { sidecar: Probe; direct: Probe } | undefined;
  #world: World | undefined;

  constructor(
    readonly options: RunOptions,
    readonly say: (text: string) => void,
  ) {
    this.model = new Model(options.pods);
  }

  async start(): Promise<void> {
    const { seed, chats, pods } = this.options;
    const { model, now } = this;
    const fleet = await Fleet.start(pods);
    this.fleet = fleet;
    const channels = [...new Set(chats.flatMap((chat) => chat.channels))].sort();
    const ear = (pod: number, resp3: boolean) =>
      new RawEar(
        model.ear(`pod ${pod} RESP${resp3 ? 3 : 2}`, pod),
        model,
        { port: fleet.pods[pod]!.port, resp3, channels },
        now,
      );
    const slow = fleet.pods.map(({ number }) => ear(number, false));
    this.#ears = [...slow, ...fleet.pods.map(({ number }) => ear(number, true))];
    const last = fleet.pods.at(-1)!;
    const python = new PythonEar(
      model.ear(`pod ${last.number} python`, last.number),
      model,
      `redis://127.0.0.1:${last.port}/0`,
      "socketio",
      now,
    );
    this.#pythonEars.push(python);
    const publisher = new PythonPublisher(`pod ${last.number} redis-py`, `redis://127.0.0.1:${last.port}/0`);
    const pools = fleet.pods.map(({ number, port }) => new RawPool(`pod ${number} pool`, port, 5));
    this.#apps = [...pools, publisher];
    const [a, b] = [fleet.pods[PROBES.to]!, fleet.pods[PROBES.from]!];
    this.#probes = {
      sidecar: new Probe(`redis://127.0.0.1:${b.port}/0`, `redis://127.0.0.1:${a.port}/0`, "socketio#/#probe", now),
      // Not a channel of frames: the sidecars' fleet is whole without it.
      direct: new Probe(b.network.url, a.network.url, "chaos:probe", now),
    };
    this.pythonLogs.push(
      { name: "ear", lines: python.log },
      { name: "publisher", lines: publisher.log },
      { name: "probe-sidecar", lines: this.#probes.sidecar.log },
      { name: "probe-direct", lines: this.#probes.direct.log },
    );
    await within(
      "everybody listens",
      Promise.all([
        ...this.#ears.map(({ listening }) => listening),
        python.listening,
        publisher.ready,
        this.#probes.sidecar.listening,
        this.#probes.direct.listening,
      ]),
      60_000,
    );
    const apps = pools.map((pool, pod) => (pod === last.number ? [pool, publisher] : [pool]));
    this.#world = { fleet, model, slow, apps, channels, seed, now };
    // Of the last pod's chats every other one speaks through redis-py.
    this.#talkers = chats.map((chat, i) => {
      const app = chat.pod === last.number && i % 2 === 0 ? publisher : pools[chat.pod]!;
      return new Talker(chat, seed, app, model, now, (i * 37) % 1_000, i % 4 === 1);
    });
    this.say(`seed ${seed}: ${chats.length} chats, ${pods} pods, master ${fleet.group.servers[0]!.version}`);
  }

  /** Rounds until the time is over, or `most` of them. Stops behind the first round that violates anything. */
  async go(ms: number, most: number): Promise<void> {
    await sleep(2_000);
    for (const round of rounds(this.options.seed, this.options.kinds, this.options.pods)) {
      if (this.now() > ms || round.number > most || this.model.violations.length > 0) return;
      await this.#round(round);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#talkers.map((talker) => talker.stop()));
    for (const ear of this.#ears) ear.close();
    await Promise.all([
      ...this.#pythonEars.map((ear) => ear.stop()),
      ...this.#apps.map((app) => app.stop()),
      this.#probes?.sidecar.stop(),
      this.#probes?.direct.stop(),
    ]);
    await this.fleet?.stop();
  }

  async #round(round: Round): Promise<void> {
    const world = this.#world!;
    const { fleet, model, now } = world;
    await fleet.look();
    const before = fleet.undelivered();
    const reasonsBefore = fleet.undeliveredByReason();
    const names = round.faults.map(describe);
    this.say(`round ${round.number}: ${names.join("; ")}`);
    const { harmedAt, healedAt } = await carryOut(round, world);
    await fleet.ready();
    const settledAt = now();
    await sleep(CALM_MS);
    const calmAt = now();
    for (let pod = -1; pod < fleet.pods.length; pod++) model.calm(pod, calmAt);
    for (const { ear } of world.slow) {
      const span = ear.excused.at(-1);
      if (span !== undefined && span.to > calmAt) span.to = calmAt;
    }
    await within("every chat ends", Promise.all(this.#talkers.map((talker) => talker.finish())), 30_000);
    const until = now();
    await eventually("all has arrived", () => model.missing(until).length === 0, ARRIVE_MS, 100).catch(() => {});
    const probes = this.#probes!;
    const again = () => [probes.sidecar.heardAfter(settledAt), probes.direct.heardAfter(settledAt)];
    const hear = () => again().every((at) => at !== undefined);
    await eventually("the probes hear again", hear, HEAR_AGAIN_MS, 100).catch(() => {});
    const end = Math.max(settledAt, ...again().map((at) => at ?? now()));
    // What was published until then is still on its way.
    await sleep(CALM_MS);
    await fleet.look();
    const frames = model.endRound(until, now(), fleet.undelivered() - before);
    const counted: Record<string, number> = {};
    for (const [reason, count] of fleet.undeliveredByReason()) {
      const more = count - (reasonsBefore.get(reason) ?? 0);
      if (more > 0) counted[reason] = more;
    }
    const result: RoundResult = {
      round: round.number,
      faults: names,
      deafening: round.faults.filter((fault) => disturbs(fault, [PROBES.to, PROBES.from])).map(({ kind }) => kind),
      faultSeconds: (healedAt - harmedAt) / 1000,
      readySeconds: (settledAt - healedAt) / 1000,
      frames,
      counted,
      sidecar: probes.sidecar.between(harmedAt, end),
      direct: probes.direct.between(harmedAt, end),
    };
    this.results.push(result);
    const { sidecar, direct } = result;
    this.say(
      `  well ${result.readySeconds.toFixed(1)} s after ${result.faultSeconds.toFixed(1)} s; published ${frames.published}, ` +
        `errors ${frames.error}, unsure ${frames.unsure}, late ${frames.late}, heard by nobody ${frames.unheard}, missed ${shown(frames.missed)}; counted ${shown(counted)}; ` +
        `deaf ${sidecar.seconds.toFixed(1)} s (lost ${sidecar.lost}+${sidecar.refused}), direct ${direct.seconds.toFixed(1)} s (${direct.lost}+${direct.refused})`,
    );
    await fleet.settled();
  }
}
