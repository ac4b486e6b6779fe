/**
 * Somebody who publishes all the time, and listeners who come and go meanwhile. What a listener must have heard is a
 * run without a gap: everything from its ack to its leaving, once, in order.
 */
import assert from "node:assert/strict";
import { Listener } from "./apps.js";
import { RespClient } from "./resp-client.js";
import { eventually, within } from "./wait.js";

export class Talker {
  /** Every frame, in the order of publishing; a frame is here before its PUBLISH is sent. */
  readonly frames: string[] = [];
  private readonly places = new Map<string, number>();
  private going = true;
  /** Where to go on, or undefined while there is no move. */
  private away: Promise<RespClient> | undefined;
  private paused: (() => void) | undefined;
  private done: Promise<void> = Promise.resolve();
  private failure: unknown;

  private constructor(
    private client: RespClient,
    readonly channel: string,
    private readonly make: (i: number) => Buffer,
    private readonly pauseMs: number,
  ) {}

  /** One that says nothing before `start`. */
  static async silent(port: number, channel: string, make: (i: number) => Buffer, pauseMs = 2): Promise<Talker> {
    return new Talker(await RespClient.connect({ port, deadlineMs: 15_000 }), channel, make, pauseMs);
  }

  /** Publishes `make(0)`, `make(1)`, … at this port, one after the other; all must differ. */
  static async at(...given: Parameters<typeof Talker.silent>): Promise<Talker> {
    const talker = await Talker.silent(...given);
    talker.start();
    return talker;
  }

  start(): void {
    this.done = this.run().catch((error) => {
      this.failure = error;
    });
  }

  /** Resolves when `count` more frames have been answered. */
  async more(count: number): Promise<void> {
    const goal = this.frames.length + count;
    await eventually(`${count} more frames`, () => this.failure !== undefined || this.frames.length > goal, 20_000);
    if (this.failure !== undefined) throw this.failure;
  }

  /**
   * Ends its connection between two frames, lets `meanwhile` happen and goes on at the port that it gives: what an app
   * does whose upstream address changes.
   */
  async move(meanwhile: () => Promise<number>): Promise<void> {
    let arrived: (client: RespClient) => void = () => {};
    const idle = new Promise<void>((resolve) => {
      this.paused = resolve;
    });
    this.away = new Promise((resolve) => {
      arrived = resolve;
    });
    await within("the talker pauses", idle, 20_000);
    await this.client.close();
    this.client = await RespClient.connect({ port: await meanwhile(), deadlineMs: 15_000 });
    this.away = undefined;
    arrived(this.client);
  }

  async stop(): Promise<void> {
    this.going = false;
    await within("the last PUBLISH", this.done, 20_000);
    if (this.failure !== undefined) throw this.failure;
    await this.client.close();
  }

  /** Places of what was heard of this talker, which must be a run without gap; its first and last place. */
  runOf(heard: readonly string[], who: string): [number, number] {
    const places = heard.map((payload) => this.places.get(payload)).filter((place) => place !== undefined);
    assert.ok(places.length > 0, `${who} has heard nothing of ${this.channel}`);
    for (let i = 1; i < places.length; i++) {
      const [one, next] = [places[i - 1]!, places[i]!];
      assert.equal(next, one + 1, `${who}: frame ${next} of ${this.frames.length} came behind frame ${one}`);
    }
    return [places[0]!, places.at(-1)!];
  }

  /** True for a frame of this talker. */
  owns(payload: string): boolean {
    return this.places.has(payload);
  }

  private async run(): Promise<void> {
    for (let i = 0; this.going; i++) {
      if (this.away !== undefined) {
        this.paused?.();
        await this.away;
      }
      const payload = this.make(i);
      const text = payload.toString("latin1");
      this.places.set(text, i);
      this.frames.push(text);
      const reply = await this.client.text("PUBLISH", this.channel, payload);
      assert.equal(typeof reply, "number", `a PUBLISH was answered ${JSON.stringify(reply)}`);
      await new Promise((resolve) => setTimeout(resolve, this.pauseMs));
    }
  }
}

/** One listener of all talkers' channels, with what each had published when its subscription was acknowledged. */
export class Guest {
  private readonly others: Talker[] = [];

  private constructor(
    readonly listener: Listener,
    private readonly talkers: readonly Talker[],
    private readonly since: readonly number[],
    readonly name: string,
  ) {}

  static async at(port: number, talkers: readonly Talker[], name: string, pattern?: string): Promise<Guest> {
    const channels = [...new Set(talkers.map(({ channel }) => channel))];
    const listener = pattern ? await Listener.onPattern(port, pattern) : await Listener.on(port, ...channels);
    return new Guest(
      listener,
      talkers,
      talkers.map(({ frames }) => frames.length),
      name,
    );
  }

  /** Its connection was ended by others: what it has heard until then must be a run from its ack on. */
  async ended(): Promise<void> {
    await this.listener.client.closed();
    while (this.listener.client.queued > 0) await this.listener.untilMessage(() => this.listener.client.queued === 0);
    this.check();
  }

  /** As `leave`, where it hears frames of these talkers as well, since some moment that does not matter. */
  async leaveAfter(...others: Talker[]): Promise<void> {
    this.others.push(...others);
    await this.leave();
  }

  /** Waits until it has heard all that has been published by now, leaves, and checks what it has heard. */
  async leave(): Promise<void> {
    const last = this.talkers.map(({ frames }) => frames.length - 1);
    const { listener, talkers, name } = this;
    for (const [i, talker] of talkers.entries()) {
      const payload = talker.frames[last[i]!]!;
      await listener
        .untilMessage((message) => message.payload.toString("latin1") === payload, 15_000)
        .catch((error) => assert.fail(`${name} does not hear frame ${last[i]} of ${talker.channel}: ${error}`));
    }
    await listener.settle();
    const ends = this.check();
    for (const [i, end] of ends.entries()) {
      assert.ok(end >= last[i]!, `${name} ends with ${end} of ${last[i]}`);
    }
    await listener.close();
  }

  /** Nothing but frames, each on its channel, without gap or repeat from the ack on; the last place of each talker. */
  private check(): number[] {
    const { listener, talkers, name } = this;
    for (const { channel, payload } of listener.heard) {
      const of = [...talkers, ...this.others].find((talker) => talker.owns(payload.toString("latin1")));
      assert.ok(of !== undefined, `${name} heard on ${channel} what nobody published: ${payload.subarray(0, 80)}`);
      assert.equal(channel, of.channel, `${name}: on another channel`);
    }
    const heard = listener.payloads();
    return talkers.map((talker, i) => {
      const [first, end] = talker.runOf(heard, name);
      // The frame that was being published at the ack may have been too early.
      assert.ok(first <= this.since[i]!, `${name} begins with ${first}, its ack came at ${this.since[i]}`);
      return end;
    });
  }
}
