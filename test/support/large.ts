/** Large frames for tests: fast to make, and of a stream that the sidecar names. */
import { createHash, randomFillSync } from "node:crypto";
import { type FrameIds, snapshot } from "./frames.js";
import { RespClient } from "./resp-client.js";
import type { Server } from "./server.js";

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
