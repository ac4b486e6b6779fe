/**
 * One recording: published on one side, heard by real subscribers on the other, every frame compared. Run once straight
 * through the server and once through two sidecars, so that their difference can be shown.
 */
import { RespClient, type RespValue } from "../../test/support/resp-client.js";
import { type ReplayFrame, replay } from "../replay.js";
import { Checker } from "./checker.js";
import { type PythonListener, startPythonListener, venvFor } from "./python-listener.js";

export interface Recording {
  name: string;
  frames: ReplayFrame[];
}

/** What one pass of a recording showed. Byte figures are payload bytes. */
export interface Pass {
  frames: number;
  appBytes: number;
  latencies: number[];
  problems: string[];
  /** Who listened, for the summary. */
  listeners: string[];
}

/** A subscriber with nothing but a socket: SUBSCRIBE on every channel of the recording. */
async function rawSubscriber(port: number, channels: Buffer[], checker: Checker): Promise<RespClient> {
  const client = await RespClient.connect({ port, deadlineMs: 10_000 });
  client.request("SUBSCRIBE", ...channels);
  await client.take(channels.length);
  void (async () => {
    for (;;) {
      let value: RespValue;
      try {
        value = await client.next(3_600_000);
      } catch {
        return;
      }
      if (Array.isArray(value) && String(value[0]) === "message") checker.hear(value[1] as Buffer, value[2] as Buffer);
    }
  })();
  return client;
}

function channelsOf(frames: readonly ReplayFrame[]): Buffer[] {
  return [...new Set(frames.map(({ channel }) => channel.toString()))].map((name) => Buffer.from(name));
}

/** Plays a recording into `publishPort` while subscribers listen at `listenPort`. */
export async function playRecording(options: {
  recording: Recording;
  publishPort: number;
  listenPort: number;
  python: boolean;
  speed: number;
  /** Called when all subscribers are there and nothing has been played yet, and again when all is heard. */
  mark?: () => Promise<void>;
}): Promise<Pass> {
  const { recording, publishPort, listenPort, speed } = options;
  const { frames } = recording;
  const channels = channelsOf(frames);
  const sentAt: number[] = [];
  const raw = new Checker("raw SUBSCRIBE", sentAt, frames);
  const checkers = [raw];
  const listeners = ["raw SUBSCRIBE"];
  const client = await rawSubscriber(listenPort, channels, raw);
  let python: PythonListener | undefined;
  const problems: string[] = [];
  try {
    if (options.python) {
      const venv = venvFor((frames[0] as ReplayFrame).payload);
      const url = `redis://127.0.0.1:${listenPort}`;
      python = await startPythonListener({ venv, url, channels, publishPort });
      if (python) {
        const heard = new Checker("python-socketio", sentAt, frames);
        python.check(heard);
        checkers.push(heard);
        listeners.push("python-socketio");
      }
    }
    await options.mark?.();
    const result = await replay({
      port: publishPort,
      frames,
      speed,
      onSend: (index) => {
        sentAt[index] = performance.now();
      },
    });
    for (const error of new Set(result.errors)) problems.push(`PUBLISH was answered: ${error}`);
    await Promise.all(checkers.map((checker) => checker.complete(15_000)));
    await options.mark?.();
    if (python) {
      const decoded = await python.stop();
      python = undefined;
      const emits = frames.filter(({ payload }) => payload.toString("latin1", 0, 64).includes("emit")).length;
      if (decoded !== emits) problems.push(`python-socketio decoded ${decoded} of ${emits} frames`);
    }
    return {
      frames: frames.length,
      appBytes: result.bytes,
      latencies: raw.latencies,
      problems: [...problems, ...checkers.flatMap((checker) => checker.problems)],
      listeners,
    };
  } finally {
    await python?.stop();
    await client.close();
  }
}
