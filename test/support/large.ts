/** Large frames for tests: fast to make, and of a stream that the sidecar names. */
import { createHash, randomFillSync } from "node:crypto";
import { type FaultProxy, startFaultProxy } from "./fault-proxy.js";
import { type FrameIds, snapshot } from "./frames.js";
import { RespClient } from "./resp-client.js";
import type { Server } from "./server.js";
import { type Sidecar, startSidecar } from "./sidecar.js";
import { eventually } from "./wait.js";

/** What upstream's own default is; written out, so that a test means what it says on any server. */
export const PUBSUB_LIMIT = ["--client-output-buffer-limit", "pubsub", "32mb", "8mb", "60"];

export type Filling = "text" | "dense";

/** A cumulative frame of exactly `bytes` bytes. "text" deflates well, "dense" hardly at all. */
export function largeFrame(bytes: number, filling: Filling = "text", ids: FrameIds = {}): Buffer {
  const mark = "@filling@";
  const frame = snapshot(mark, ids);
  const at = frame.indexOf(mark);
  const head = frame.subarray(0, at);
  const tail = frame.subarray(at + mark.length);
  const body = Buffer.alloc(bytes - head.length - tail.length, "the answer grows by a word at a time, ");
  if (filling === "dense") {
    randomFillSync(body);
    // Printable, and nothing that JSON would escape: six random bits a byte.
    for (let i = 0; i < body.length; i++) body[i] = 0x3f + (body[i]! & 0x3f) - ((body[i]! & 0x3f) === 0x1d ? 1 : 0);
  }
  return Buffer.concat([head, body, tail]);
}

export function digest(bytes: Buffer): string {
  return createHash("sha1").update(bytes).digest("hex");
}

/** How many clients the server has dropped for their output buffers. */
export async function droppedClients(server: Server): Promise<number> {
  const info = await server.cli("INFO", "stats");
  const counted = /^client_output_buffer_limit_disconnections:(\d+)/m.exec(info);
  const logged = server.logs.filter((line) => /closed ASAP for overcoming of output buffer limits/.test(line)).length;
  return Math.max(Number(counted?.[1] ?? 0), logged);
}

/** Watches the largest output buffer that the server holds for anybody, bytes; `stop` returns it. */
export async function watchOutputBuffers(server: Server): Promise<{ stop(): Promise<number> }> {
  const client = await RespClient.connect({ port: server.port });
  let most = 0;
  let going = true;
  const watching = (async () => {
    while (going) {
      const list = String(await client.text("CLIENT", "LIST", "TYPE", "pubsub"));
      for (const [, bytes] of list.matchAll(/ omem=(\d+)/g)) most = Math.max(most, Number(bytes));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  return {
    async stop() {
      going = false;
      await watching;
      await client.close();
      return most;
    },
  };
}

/** A small window, so that a frame of a megabyte is large and many chunks long. */
export const SMALL_WINDOW = { KEYFRAME_LARGE_BYTES: "64KiB", KEYFRAME_LARGE_WINDOW: "64KiB" };

/**
 * A pod whose large frames can be stopped half-way: it hears no credit while its line is held, so no more than the window
 * goes out.
 */
export interface StoppablePod {
  readonly pod: Sidecar;
  readonly line: FaultProxy;
  /** From now on it hears nothing. Let go within four seconds: after that it would look for another connection. */
  hold(): void;
  letGo(): void;
  stop(): Promise<void>;
}

export async function stoppablePod(server: Server, env: Record<string, string> = {}): Promise<StoppablePod> {
  const line = await startFaultProxy({ target: server.port });
  const pod = await startSidecar({
    upstream: line.url,
    env: { ...SMALL_WINDOW, KEYFRAME_CANARY_TIMEOUT: "1m", ...env },
  });
  await pod.ready();
  return {
    pod,
    line,
    hold: () => line.pause("down", (connection) => connection.sent("keyframe-subscriber")),
    letGo: () => line.resume(),
    async stop() {
      line.resume();
      await pod.stop();
      await line.stop();
    },
  };
}

/** Resolves when part of a large frame has come to the pod. */
export function hasBegun(pod: Sidecar): Promise<unknown> {
  return eventually("a large frame begins", async () => (await pod.metric("keyframe_large_bytes", RECEIVER)) > 0);
}

/** Resolves when nothing of a large frame is kept any more. */
export function hasEnded(pod: Sidecar): Promise<unknown> {
  return eventually("the large frame ends", async () => (await pod.metric("keyframe_large_bytes")) === 0);
}

const RECEIVER = { side: "receiver" };

/** What the pod has counted as undelivered, by reason. */
export async function undelivered(pod: Sidecar): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [name, value] of await pod.metrics()) {
    const reason = /^keyframe_undelivered_frames_total\{reason="(\w+)"\}$/.exec(name)?.[1];
    if (reason !== undefined && value > 0) counts[reason] = value;
  }
  return counts;
}
