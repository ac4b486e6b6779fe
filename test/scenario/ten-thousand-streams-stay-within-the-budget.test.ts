/**
 * Far more growing messages at once than the sidecars may remember, and messages that never end: every frame arrives byte
 * for byte, the gauges never pass the budget, what was forgotten is counted, and the processes stay as small as they are
 * with a few streams.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Listener, publishAll, residentMiB } from "../support/apps.js";
import { increment, snapshot, text } from "../support/frames.js";
import { type TwoPods, twoPods } from "../support/pods.js";
import { RespClient } from "../support/resp-client.js";
import { type Sidecar, sumSamples } from "../support/sidecar.js";

const BUDGET = 1024 * 1024;
const STREAMS = 10_000;
const CHANNEL = "socketio";

let pods: TwoPods;
let app: RespClient;
let ear: Listener;
let idle: number[];
before(async () => {
  pods = await twoPods({
    env: {
      KEYFRAME_STREAM_BYTES: `${BUDGET / 1024}KiB`,
      KEYFRAME_STREAMS: `${STREAMS * 2}`,
      KEYFRAME_HOLD: "10s",
      KEYFRAME_COLLAPSE_BYTES: "32MiB",
    },
  });
  app = await RespClient.connect({ port: pods.a.port, deadlineMs: 60_000 });
  ear = await Listener.on(pods.b.port, CHANNEL);
  idle = both().map(({ pid }) => residentMiB(pid));
});
after(async () => {
  await Promise.all([app?.close(), ear?.close()]);
  await pods?.stop();
});

const both = (): Sidecar[] => [pods.a, pods.b];

interface Watched {
  /** Largest gauge of bytes of either side at either pod. */
  bytes: number;
  streams: number;
  /** Largest resident memory of pod A and pod B, MiB. */
  resident: number[];
}

/** Looks at gauges and memory all the time while `story` runs. */
async function watching(story: () => Promise<void>): Promise<Watched> {
  const seen: Watched = { bytes: 0, streams: 0, resident: [0, 0] };
  let going = true;
  const look = async () => {
    for (const [i, pod] of both().entries()) {
      const samples = await pod.metrics();
      for (const side of ["sender", "receiver"]) {
        seen.bytes = Math.max(seen.bytes, sumSamples(samples, "keyframe_stream_bytes", { side }));
        seen.streams = Math.max(seen.streams, sumSamples(samples, "keyframe_streams", { side }));
      }
      seen.resident[i] = Math.max(seen.resident[i]!, residentMiB(pod.pid));
    }
  };
  const watch = (async () => {
    while (going) {
      await look();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  try {
    await story();
  } finally {
    going = false;
    await watch;
  }
  await look();
  return seen;
}

/** Publishes the frames in writes of 500, and compares what B hears with them. */
async function pass(frames: readonly Buffer[]): Promise<void> {
  for (let at = 0; at < frames.length; at += 500) {
    const part = frames.slice(at, at + 500);
    await publishAll(
      app,
      part.map((payload) => [CHANNEL, payload]),
    );
    const heard = await ear.until(part.length, 60_000);
    for (const [i, { payload }] of heard.entries()) {
      if (!payload.equals(part[i]!)) assert.fail(`frame ${at + i} is ${payload} instead of ${part[i]}`);
    }
    ear.heard.length = 0;
  }
}

const ids = (stream: number) => ({ chat: `chat-${stream}`, message: `message-${stream}`, host: `host-${stream % 7}` });
const frameOf = (stream: number, round: number) =>
  stream % 2 === 0 ? snapshot(text(round * 4 + 3), ids(stream)) : increment(`${round} `, ids(stream));

const evictions = async () =>
  await Promise.all(
    both().map((pod, i) =>
      pod.metric("keyframe_stream_evictions_total", { side: i === 0 ? "sender" : "receiver", reason: "bytes" }),
    ),
  );
const kinds = (kind: string) => pods.a.metric("keyframe_frames_total", { direction: "in", kind });

let few: Watched;

test("40,000 frames of 100 streams: nothing is forgotten", async (t) => {
  few = await watching(async () => {
    for (let round = 0; round < 400; round += 5) {
      await pass(Array.from({ length: 500 }, (_, i) => frameOf(i % 100, (round + Math.floor(i / 100)) % 60)));
    }
  });
  t.diagnostic(`${few.bytes} bytes, resident ${few.resident.map(Math.round)}, idle ${idle.map(Math.round)} MiB`);
  assert.deepEqual(await evictions(), [0, 0]);
  assert.ok(few.bytes <= BUDGET);
});

test("40,000 frames of 10,000 streams, most forgotten between two frames, some used all the time", async (t) => {
  const [keyframes, deltas] = [await kinds("keyframe"), await kinds("delta")];
  const many = await watching(async () => {
    for (let round = 0; round < 4; round++) {
      const frames: Buffer[] = [];
      for (let stream = 1_000; stream < 1_000 + STREAMS; stream++) {
        frames.push(frameOf(stream, round));
        // These are never the least recently used.
        if (stream % 100 < 5) frames.push(frameOf(stream % 100, (round * 100 + Math.floor(stream / 100)) % 60));
      }
      await pass(frames);
    }
  });
  const [sender, receiver] = await evictions();
  t.diagnostic(
    `${many.streams} streams and ${many.bytes} bytes at most; evicted ${sender} and ${receiver}; ` +
      `${(await kinds("keyframe")) - keyframes} keyframes, ${(await kinds("delta")) - deltas} deltas; ` +
      `resident ${many.resident.map(Math.round)}, with few streams ${few.resident.map(Math.round)}, idle ${idle.map(Math.round)} MiB`,
  );
  assert.ok(many.bytes <= BUDGET, `${many.bytes} bytes remembered`);
  assert.ok(many.streams > 500 && many.streams < STREAMS / 2, `${many.streams} streams remembered`);
  assert.ok(sender! > STREAMS * 3 && receiver! > STREAMS * 3, `${sender} and ${receiver} were evicted`);
  assert.ok((await kinds("delta")) - deltas > 1_500, "streams in use are kept");
  assert.equal(await pods.b.metric("keyframe_undelivered_frames_total"), 0);
  for (const [i, resident] of many.resident.entries()) {
    assert.ok(resident < few.resident[i]! * 2 + 32, `pod ${"AB"[i]}: ${resident} MiB`);
    assert.ok(resident < idle[i]! * 4, `pod ${"AB"[i]}: ${resident} MiB, ${idle[i]} without load`);
  }
});

test("two streams that never end: one grows to half of the budget, one stays short", async (t) => {
  const whole = text(60_000);
  let at: number[] = [];
  const long = await watching(async () => {
    for (let part = 0; part < 50; part++) {
      const frames: Buffer[] = [];
      for (let i = part * 500; i < part * 500 + 500; i++) {
        // One in twenty grows: the others bring the number of frames that a long answer has.
        if (i % 20 === 0) frames.push(snapshot(whole.slice(0, i * 10), ids(1)));
        else frames.push(increment(`${i} `, ids(2)));
      }
      await pass(frames);
      if (part === 24) at = both().map(({ pid }) => residentMiB(pid));
    }
  });
  const end = both().map(({ pid }) => residentMiB(pid));
  t.diagnostic(`${long.bytes} bytes; resident ${at.map(Math.round)} half-way, ${end.map(Math.round)} at the end`);
  assert.ok(long.bytes <= BUDGET);
  assert.ok(long.bytes > 200_000);
  for (const [i, resident] of end.entries()) {
    assert.ok(resident < at[i]! * 1.5 + 32, `pod ${"AB"[i]}: ${at[i]} MiB half-way, ${resident} MiB at the end`);
  }
});
