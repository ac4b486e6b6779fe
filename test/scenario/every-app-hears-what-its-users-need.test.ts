/**
 * Exactness: whatever pods, users and releases do, an app gets what it would get without sidecars, less frames that nobody of
 * its pod could receive, and never misses one that somebody there would have received.
 *
 * Random stories over a real server and real sidecars, against a model of who is where. Pods 0 and 1 keep their
 * users in mind, pod 2 cannot; now and then a pod without a sidecar listens as well. Users connect, also in the very
 * moment in which something is published for them, to several pods, and are reaped by any; sidecars are killed and
 * started anew with sockets open.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Listener, publishAll } from "../support/apps.js";
import { increment, snapshot, text } from "../support/frames.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { connected, reaped, type StateDir, stateDir } from "../support/sessions.js";
import { type Sidecar, startSidecar } from "../support/sidecar.js";

const SHARED = "socketio";
const PODS = 3;
const USERS = ["ann", "ben", "eve", "fay"];
const RUNS = 5;

type Release = "0.9.5" | "0.11.4" | "0.12.4";

type Step =
  | { do: "publish"; pod: number; to: string; count: number; release: Release }
  | { do: "connect"; pod: number; user: string }
  | { do: "connect and publish"; pod: number; user: string; from: number }
  | { do: "reap"; pod: number; user: string }
  | { do: "restart"; pod: number }
  | { do: "plain pod"; present: boolean };

const pod = fc.nat({ max: PODS - 1 });
const user = fc.constantFrom(...USERS);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("publish" as const),
        pod,
        to: fc.oneof({ weight: 3, arbitrary: user }, { weight: 1, arbitrary: fc.constant("everybody") }),
        count: fc.integer({ min: 1, max: 12 }),
        release: fc.constantFrom<Release>("0.9.5", "0.11.4", "0.12.4"),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("connect" as const), pod, user }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("connect and publish" as const), pod, user, from: pod }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("reap" as const), pod, user }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), pod }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("plain pod" as const), present: fc.boolean() }) },
  ),
  { minLength: 25, maxLength: 45 },
);

interface Published {
  payload: string;
  /** Emitter and chat: what is of one of these keeps its order. */
  domain: string;
  channel: string;
  /** The one user whose room it is for. */
  user: string | undefined;
  /** Of a message that grows, the number among its whole texts: a newer one may stand for it. */
  stream: string | undefined;
  /** Listeners that must hear it, by the time of its publishing. */
  needed: Set<Listener>;
  /** A pod without a sidecar may have been there: it may have gone raw, to everybody. */
  raw: boolean;
}

class Pod {
  sidecar!: Sidecar;
  app!: RespClient;
  ear!: Listener;
  readonly users = new Set<string>();
  /** Earlier listeners, and all that they heard. */
  readonly past: Listener[] = [];

  constructor(
    readonly server: Server,
    readonly dir: StateDir | undefined,
  ) {}

  async start(): Promise<void> {
    this.sidecar = await startSidecar({ upstream: this.server.url, env: { KEYFRAME_HOLD: "20s", ...this.dir?.env } });
    await this.sidecar.ready();
    this.app = await RespClient.connect({ port: this.sidecar.port, deadlineMs: 15_000 });
    // Releases with room channels listen to those of their users only.
    this.ear = await Listener.on(this.sidecar.port, SHARED);
    for (const one of this.users) await this.ear.subscribe("SUBSCRIBE", [roomChannel(one)]);
  }

  async connect(name: string): Promise<void> {
    await connected(this.app, name, `${name}-here`);
    if (this.users.has(name)) return;
    await this.ear.subscribe("SUBSCRIBE", [roomChannel(name)]);
    this.users.add(name);
  }

  async stop(): Promise<void> {
    await this.sidecar?.stop("SIGKILL");
    this.dir?.remove();
  }
}

const roomChannel = (name: string) => `socketio#/#user:${name}`;

class Story {
  readonly published: Published[] = [];
  plain: Listener | undefined;
  plainSeen = false;
  #counter = 0;

  constructor(
    readonly server: Server,
    readonly pods: readonly Pod[],
  ) {}

  async run(all: readonly Step[]): Promise<void> {
    for (const step of all) await this.#step(step);
    await this.#quiet();
    await this.plain?.close();
    this.#judge();
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case "publish":
        return this.#publish(step.pod, step.to, step.count, step.release);
      case "connect":
        return this.pods[step.pod]!.connect(step.user);
      case "connect and publish": {
        const { pod: at, user: name, from } = step;
        const publishing = from === at ? Promise.resolve() : this.#publish(from, name, 6, "0.9.5");
        await Promise.all([this.pods[at]!.connect(name), publishing]);
        return;
      }
      case "reap":
        return reaped(this.pods[step.pod]!.app, step.user, `${step.user}-here`);
      case "restart": {
        await this.#quiet();
        const one = this.pods[step.pod]!;
        one.past.push(one.ear);
        await one.sidecar.stop("SIGKILL");
        return one.start();
      }
      case "plain pod":
        if (step.present === (this.plain !== undefined)) return;
        await this.#quiet();
        this.plainSeen ||= step.present;
        if (step.present) this.plain = await Listener.on(this.server.port, SHARED);
        else await this.plain?.close();
        if (!step.present) this.plain = undefined;
        return;
    }
  }

  async #publish(from: number, to: string, count: number, release: Release): Promise<void> {
    const frames: [string, Buffer][] = [];
    const name = to === "everybody" ? undefined : to;
    const rooms = release === "0.12.4" && name !== undefined;
    const channel = rooms ? roomChannel(name) : SHARED;
    for (let i = 0; i < count; i++) {
      const number = ++this.#counter;
      const room = name === undefined ? "channel:all" : `user:${name}`;
      const chat = `chat-of-${to}-${number % 2}`;
      const ids = { host: `host-${from}`, room, chat, message: `${chat}-${release}` };
      const whole = release === "0.9.5" || number % 5 === 0;
      const payload = whole ? snapshot(`${number} ${text(number % 40)}`, ids) : increment(`${number} `, ids);
      frames.push([channel, payload]);
      const needed = new Set<Listener>();
      for (const one of this.pods) if (name === undefined || one.users.has(name)) needed.add(one.ear);
      if (this.plain !== undefined && !rooms) needed.add(this.plain);
      const domain = `${from} ${chat}`;
      this.published.push({
        payload: payload.toString("latin1"),
        domain,
        channel,
        user: name,
        stream: whole ? `${from} ${chat} ${release} ${channel}` : undefined,
        needed,
        raw: this.plainSeen,
      });
    }
    await publishAll(this.pods[from]!.app, frames);
  }

  /** Everybody has heard what is due. */
  async #quiet(): Promise<void> {
    const ears = [...this.pods.map(({ ear }) => ear), ...(this.plain === undefined ? [] : [this.plain])];
    for (const ear of ears) {
      const due = this.#due(ear);
      for (const payload of ear.payloads()) due.delete(payload);
      if (due.size === 0) continue;
      const all = ear.untilMessage(({ payload }) => {
        due.delete(payload.toString("latin1"));
        return due.size === 0;
      }, 10_000);
      await all.catch((error) => assert.fail(`${due.size} frames are missing, the first ${[...due][0]}: ${error}`));
    }
    for (const ear of ears) await ear.settle();
  }

  /** What the listener must hear: of a message that grows, the newest whole text. */
  #due(ear: Listener): Set<string> {
    const due = new Map<string, string>();
    for (const { payload, stream, needed } of this.published) {
      if (!needed.has(ear)) continue;
      due.delete(stream ?? payload);
      due.set(stream ?? payload, payload);
    }
    return new Set(due.values());
  }

  #judge(): void {
    const places = new Map(this.published.map((one, place) => [one.payload, place]));
    for (const [number, one] of this.pods.entries()) {
      for (const ear of [...one.past, one.ear]) {
        const heard = ear.payloads();
        assert.equal(new Set(heard).size, heard.length, `pod ${number} heard a frame twice`);
        const last = new Map<string, number>();
        for (const payload of heard) {
          const place = places.get(payload);
          assert.ok(place !== undefined, `pod ${number} heard what nobody published: ${payload}`);
          const { domain, channel, user: name, raw } = this.published[place]!;
          const order = `${domain} ${channel}`;
          assert.ok(place > (last.get(order) ?? -1), `pod ${number}: ${payload} was set back`);
          last.set(order, place);
          const knows = one.dir !== undefined && one.users.size > 0;
          if (name === undefined || raw || !knows || one.users.has(name)) continue;
          assert.fail(`pod ${number} heard a frame that nobody there could receive: ${payload}`);
        }
      }
    }
  }
}

test("no app misses what it needs, hears anything twice, or what nobody published", { timeout: 240_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (story) => {
      const server = await startServer();
      const pods = [stateDir(), stateDir(), undefined].map((dir) => new Pod(server, dir));
      try {
        await Promise.all(pods.map((one) => one.start()));
        // Nothing is known before the first session: pods 0 and 1 have somebody from the beginning.
        await pods[0]!.connect("gil");
        await pods[1]!.connect("gil");
        await new Story(server, pods).run(story);
        for (const { sidecar } of pods) {
          const passedOver = await sidecar.metric("keyframe_undelivered_frames_total", { reason: "superseded" });
          assert.equal(await sidecar.metric("keyframe_undelivered_frames_total"), passedOver);
        }
      } finally {
        await Promise.all(pods.map((one) => one.stop()));
        await server.stop();
      }
    }),
    { numRuns: RUNS, endOnFailure: true, includeErrorInReport: true },
  );
});
