/**
 * Publishes recorded or made traffic as an app would: over a few connections that change from frame to frame, each frame
 * of a chat only after the reply to the one before it, at the recorded pace or faster.
 * On its own: `npm run replay -- --to redis://127.0.0.1:6380 [--speed 2] [name…]` plays recordings of bench/fixtures.
 */
import { pathToFileURL } from "node:url";
import { captureFiles, readCapture } from "../test/support/captures.js";
import { RespClient, RespError } from "../test/support/resp-client.js";

export interface ReplayFrame {
  /** Microseconds; only differences matter. */
  t: number;
  channel: Buffer;
  payload: Buffer;
  /** The chat whose order must hold, or "" for frames that name none. */
  chat: string;
}

export interface ReplayOptions {
  port: number;
  frames: readonly ReplayFrame[];
  /** 1 is the recorded pace, 2 twice as fast; Infinity publishes as soon as order allows. */
  speed?: number;
  connections?: number;
  /** Called directly before frame `index` is written. */
  onSend?: (index: number) => void;
}

export interface ReplayResult {
  frames: number;
  /** Payload bytes. */
  bytes: number;
  seconds: number;
  /** Texts of error replies, if any. */
  errors: string[];
}

const chatId = /chat_id[^\w]{1,10}([\w:-]{8,64})/;

/** The chat that a frame belongs to, whatever its format: the first `chat_id` near its beginning. */
export function chatOf(payload: Buffer): string {
  return chatId.exec(payload.toString("latin1", 0, 1024))?.[1] ?? "";
}

/** A recording as frames to replay. */
export function recordedFrames(path: string): ReplayFrame[] {
  return [...readCapture(path)].map(({ t, channel, payload }) => ({ t, channel, payload, chat: chatOf(payload) }));
}

/** Plays all frames and resolves when the last one is answered. */
export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { port, frames, speed = 1, connections = 4, onSend } = options;
  const clients = await Promise.all(
    Array.from({ length: connections }, () => RespClient.connect({ port, deadlineMs: 30_000 })),
  );
  const errors: string[] = [];
  const answered = new Map<string, Promise<void>>();
  const first = frames[0]?.t ?? 0;
  const began = performance.now();
  let bytes = 0;
  try {
    for (const [index, frame] of frames.entries()) {
      const due = began + (frame.t - first) / 1000 / speed;
      const early = due - performance.now();
      if (early > 0.5) await new Promise((resolve) => setTimeout(resolve, early));
      await answered.get(frame.chat);
      const client = clients[index % connections] as RespClient;
      onSend?.(index);
      bytes += frame.payload.length;
      const reply = client.command("PUBLISH", frame.channel, frame.payload).then((value) => {
        if (value instanceof RespError) errors.push(value.message);
      });
      answered.set(frame.chat, reply);
    }
    await Promise.all(answered.values());
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
  return { frames: frames.length, bytes, seconds: (performance.now() - began) / 1000, errors };
}

async function main(args: string[]): Promise<number> {
  let to = "redis://127.0.0.1:6380";
  let speed = 1;
  const names: string[] = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--to") to = args[++at] ?? to;
    else if (args[at] === "--speed") speed = Number(args[++at]);
    else names.push(args[at] as string);
  }
  const files = captureFiles().filter(({ name }) => names.length === 0 || names.includes(name));
  if (files.length === 0) {
    console.error(
      `no such recording; there are: ${captureFiles()
        .map(({ name }) => name)
        .join(", ")}`,
    );
    return 1;
  }
  let failed = 0;
  for (const { name, path } of files) {
    const result = await replay({ port: Number(new URL(to).port), frames: recordedFrames(path), speed });
    console.log(`${name}: ${result.frames} frames, ${result.bytes} bytes in ${result.seconds.toFixed(1)} s`);
    for (const error of new Set(result.errors)) console.error(`  ${error}`);
    failed += result.errors.length;
  }
  return failed === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) process.exitCode = await main(process.argv.slice(2));
