/** One leg: an answer's frames through the server in one way, heard whole by every listener, and what they took. */
import type { MadeFrame } from "../../generate.js";
import { messageBytes } from "./frames.js";
import { type Expectation, expectation, Listener, Publisher } from "./line.js";
import type { Stack, Traffic } from "./stack.js";

export interface LegPlan {
  /** Straight to the server, or through each pod's sidecar. */
  way: "direct" | "sidecar";
  /** Published one after the other; what is not measured only brings the chat to where the next part begins. */
  parts: readonly { frames: readonly MadeFrame[]; measured: boolean }[];
  /** The channel that the pods listen to. */
  channel: Buffer;
  /** Pods that listen; pod 0 publishes. */
  listeners: readonly number[];
  /** Frames a second; as fast as replies allow where it is absent. */
  pace?: number;
}

export interface LegResult extends Traffic {
  frames: number;
  /** Bytes of payloads that the app published. */
  payload: number;
  /** Messages that listeners heard, every byte of them compared. */
  delivered: number;
  seconds: number;
}

/**
 * The publisher is never farther ahead of a listener than this. A sidecar replaces old frames by newer ones for a reader that is
 * 8 MiB behind, which is not what is compared here.
 */
const AHEAD_BYTES = 2 * 1024 * 1024;
/** Looked at once in so many frames. */
const LOOK_EVERY = 8;

/** Runs a leg; one result for each part that is measured, in order. Closes all connections. */
export async function runLeg(stack: Stack, plan: LegPlan): Promise<LegResult[]> {
  const port = (pod: number) => (plan.way === "direct" ? stack.server.port : stack.sidecars[pod]!.port);
  const listeners: Listener[] = [];
  let publisher: Publisher | undefined;
  try {
    publisher = await Publisher.open(port(0));
    for (const pod of plan.listeners) listeners.push(await Listener.open(port(pod), plan.channel));
    await stack.subscribers(plan.channel, listeners.length);
    const results: LegResult[] = [];
    let expected: Expectation = { bytes: 0, crc: 0 };
    for (const { frames, measured } of plan.parts) {
      const before = expected.bytes;
      expected = expectation(messageBytes(frames, plan.channel), expected);
      const result = await runPart(stack, publisher, listeners, { frames, before, expected }, plan);
      if (measured) results.push(result);
    }
    return results;
  } finally {
    publisher?.close();
    for (const one of listeners) one.close();
    await stack.subscribers(plan.channel, 0);
  }
}

async function runPart(
  stack: Stack,
  publisher: Publisher,
  listeners: readonly Listener[],
  { frames, before, expected }: { frames: readonly MadeFrame[]; before: number; expected: Expectation },
  { channel, pace }: LegPlan,
): Promise<LegResult> {
  let seconds = 0;
  let said = before;
  const traffic = await stack.during(async () => {
    const began = performance.now();
    for (const [i, frame] of frames.entries()) {
      const early = pace === undefined ? 0 : began + (i / pace) * 1000 - performance.now();
      if (early > 0.5) await new Promise((resolve) => setTimeout(resolve, early));
      await publisher.publish(frame);
      // Heads left aside: a little less than what listeners have to hear.
      if (frame.channel.equals(channel)) said += frame.payload.length;
      if (i % LOOK_EVERY === 0) await Promise.all(listeners.map((one) => one.reached(said - AHEAD_BYTES)));
    }
    await Promise.all(listeners.map((one) => one.heard(expected)));
    seconds = (performance.now() - began) / 1000;
  });
  const heard = frames.filter((frame) => frame.channel.equals(channel)).length;
  return {
    ...traffic,
    frames: frames.length,
    payload: frames.reduce((sum, { payload }) => sum + payload.length, 0),
    delivered: heard * listeners.length,
    seconds,
  };
}
