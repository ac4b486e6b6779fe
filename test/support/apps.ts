/**
 * Apps of a pod as the scenarios need them: one that listens and keeps what it hears, one that publishes and counts its
 * replies, and a bystander whose work must not suffer whatever is done to its neighbours.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { increment } from "./frames.js";
import { encodeRequest, plain, RespClient, RespPush, type RespValue } from "./resp-client.js";
import type { Sidecar } from "./sidecar.js";
import { eventually } from "./wait.js";

export interface Heard {
  channel: string;
  payload: Buffer;
  /** The pattern that it came by. */
  pattern: string | undefined;
}

/** The message in a value, or undefined where it is something else. */
export function messageOf(value: RespValue): Heard | undefined {
  const items = value instanceof RespPush ? value.items : value;
  if (!Array.isArray(items) || !Buffer.isBuffer(items[0])) return undefined;
  const kind = items[0].toString();
  if (kind === "message") return { channel: String(plain(items[1]!)), payload: items[2] as Buffer, pattern: undefined };
  if (kind === "pmessage")
    return { channel: String(plain(items[2]!)), payload: items[3] as Buffer, pattern: String(plain(items[1]!)) };
  return undefined;
}

/** An app connection that is subscribed and keeps everything it hears, in order. */
export class Listener {
  readonly heard: Heard[] = [];

  private constructor(readonly client: RespClient) {}

  static async on(port: number, ...channels: (string | Buffer)[]): Promise<Listener> {
    const listener = new Listener(await RespClient.connect({ port, deadlineMs: 10_000 }));
    await listener.subscribe("SUBSCRIBE", channels);
    return listener;
  }

  static async onPattern(port: number, ...patterns: string[]): Promise<Listener> {
    const listener = new Listener(await RespClient.connect({ port, deadlineMs: 10_000 }));
    await listener.subscribe("PSUBSCRIBE", patterns);
    return listener;
  }

  /** Subscribes and waits for every ack; messages that come between are kept. */
  async subscribe(verb: "SUBSCRIBE" | "PSUBSCRIBE", names: readonly (string | Buffer)[]): Promise<void> {
    this.client.request(verb, ...names);
    for (let left = names.length; left > 0; ) {
      const value = await this.client.next();
      const message = messageOf(value);
      if (message !== undefined) this.heard.push(message);
      else {
        const items = value instanceof RespPush ? value.items : value;
        assert.ok(Array.isArray(items) && String(items[0]).endsWith("subscribe"), `an ack, not ${plain(value)}`);
        left--;
      }
    }
  }

  /** Waits until `count` messages have been heard in all, and returns all. More than that is a failure. */
  async until(count: number, deadlineMs?: number): Promise<Heard[]> {
    const missing = count - this.heard.length;
    if (missing > 0) for (const value of await this.client.take(missing, deadlineMs)) this.keep(value);
    assert.ok(this.heard.length <= count, `${this.heard.length} messages where ${count} were expected`);
    return this.heard;
  }

  /** Waits for a message for which `matches` holds; returns all that has been heard up to it. */
  async untilMessage(matches: (message: Heard) => boolean, deadlineMs?: number): Promise<Heard[]> {
    let seen = 0;
    for (;;) {
      for (; seen < this.heard.length; seen++) if (matches(this.heard[seen]!)) return this.heard;
      this.keep(await this.client.next(deadlineMs));
    }
  }

  /** Takes what has come and shows that nothing more is under way on this connection. */
  async settle(): Promise<Heard[]> {
    for (const value of await this.client.fence()) this.keep(value);
    return this.heard;
  }

  payloads(channel?: string): string[] {
    return this.heard
      .filter((message) => channel === undefined || message.channel === channel)
      .map((message) => message.payload.toString("latin1"));
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  private keep(value: RespValue): void {
    const message = messageOf(value);
    assert.ok(message !== undefined, `a message, not ${JSON.stringify(plain(value))}`);
    this.heard.push(message);
  }
}

/**
 * One more pod with a sidecar, as far as the server counts: a connection straight to it that is subscribed to the channels
 * and their side channels. With it nothing is silent, so streams are under way before the test's own pod joins.
 */
export async function audience(port: number, ...channels: string[]): Promise<RespClient> {
  const client = await RespClient.connect({ port });
  for (const channel of channels) {
    client.request("SUBSCRIBE", channel, `~kf1~${channel}`);
    await client.take(2);
  }
  return client;
}

/**
 * How many frames the server has got of a pod's apps, whichever way. A PUBLISH is answered, and heard in its own pod, before
 * that.
 */
export function sentBy(pod: Sidecar): Promise<number> {
  return pod.metric("keyframe_frames_total", { direction: "in" });
}

/** Publishes frames and waits until the server has got them. */
export async function publishThrough(
  pod: Sidecar,
  client: RespClient,
  frames: readonly [string, Buffer][],
): Promise<void> {
  const before = await sentBy(pod);
  await publishAll(client, frames);
  await eventually("the server has got the frames", async () => (await sentBy(pod)) >= before + frames.length);
}

/** Publishes frames pipelined in one write, and returns the replies. */
export async function publishAll(client: RespClient, frames: readonly [string, Buffer][]): Promise<RespValue[]> {
  client.send(Buffer.concat(frames.map(([channel, payload]) => encodeRequest(["PUBLISH", channel, payload]))));
  return client.take(frames.length, 15_000);
}

/** Asserts that two lists of payloads are the same, and says where they part. */
export function sameFrames(heard: readonly string[], published: readonly (Buffer | string)[], who = "heard"): void {
  const expected = published.map((payload) => (typeof payload === "string" ? payload : payload.toString("latin1")));
  for (let i = 0; i < Math.max(heard.length, expected.length); i++) {
    if (heard[i] === expected[i]) continue;
    assert.fail(
      `${who}: frame ${i} of ${expected.length} (${heard.length} heard) is ${heard[i]?.slice(0, 400)} instead of ${expected[i]?.slice(0, 400)}`,
    );
  }
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1]) / 1024;
}

/** Watches a process's resident memory; `stop` returns the largest value seen above the one at the beginning, MiB. */
export function watchMemory(pid: number): { stop(): number } {
  const before = residentMiB(pid);
  let most = before;
  const look = () => {
    most = Math.max(most, residentMiB(pid));
  };
  const timer = setInterval(look, 10);
  return {
    stop() {
      clearInterval(timer);
      look();
      return most - before;
    },
  };
}

let bystanders = 0;

/**
 * Another app of the pod, at work all the while: SET, GET and PUBLISH on one connection, and a subscriber that must hear
 * each of its frames once and in order.
 */
export class Bystander {
  private running = true;
  private rounds = 0;
  private slowestMs = 0;
  private failure: unknown;
  private readonly done: Promise<void>;

  private constructor(
    private readonly worker: RespClient,
    private readonly listener: Listener,
    private readonly name: string,
  ) {
    this.done = this.work().catch((error) => {
      this.failure = error;
    });
  }

  static async at(port: number): Promise<Bystander> {
    const name = `bystander-${++bystanders}`;
    const listener = await Listener.on(port, `socketio#/#${name}`);
    return new Bystander(await RespClient.connect({ port, deadlineMs: 10_000 }), listener, name);
  }

  /** Ends the work; fails where any of it went wrong, or where one round took longer than `mostMs`. */
  async stop(mostMs = 2_000): Promise<void> {
    const rounds = this.rounds;
    await eventually("the bystander goes on working", () => this.failure !== undefined || this.rounds > rounds + 2);
    this.running = false;
    await this.done;
    if (this.failure !== undefined) throw new Error("the bystander was harmed", { cause: this.failure });
    await this.listener.until(this.rounds, 10_000);
    sameFrames(
      this.listener.payloads(),
      Array.from({ length: this.rounds }, (_, i) => this.frame(i)),
      "the bystander",
    );
    assert.ok(this.slowestMs < mostMs, `a round of the bystander took ${Math.round(this.slowestMs)} ms`);
    await this.worker.close();
    await this.listener.close();
  }

  private frame(round: number): Buffer {
    return increment(`${round} `, { host: this.name, chat: this.name, room: this.name });
  }

  private async work(): Promise<void> {
    while (this.running) {
      const began = performance.now();
      assert.equal(await this.worker.text("SET", this.name, this.rounds), "OK");
      assert.equal(await this.worker.text("GET", this.name), String(this.rounds));
      const listeners = await this.worker.text("PUBLISH", `socketio#/#${this.name}`, this.frame(this.rounds));
      assert.equal(typeof listeners, "number", `a PUBLISH was answered ${listeners}`);
      this.rounds++;
      this.slowestMs = Math.max(this.slowestMs, performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
