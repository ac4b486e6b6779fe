/**
 * Starts listener.py, a real python-socketio server's Redis manager on pod B, and feeds what it hears to a Checker.
 */

import { eachLine, spawnChild, stopChild } from "../../test/support/children.js";
import { type PythonVenv, pythonIfPrepared } from "../../test/support/python.js";
import { RespClient } from "../../test/support/resp-client.js";
import { inRoot } from "../../test/support/root.js";
import { eventually, within } from "../../test/support/wait.js";
import { type Checker, warmUpMark } from "./checker.js";

/** python-socketio up to 5.13 reads pickle; later releases refuse it, and read JSON only. */
export function venvFor(payload: Buffer): PythonVenv {
  return payload[0] === 0x80 ? "py-5.13-redis5" : "py-new-redis8";
}

export interface PythonListener {
  /** Hands every message from now on to this checker. */
  check(checker: Checker): void;
  /** Ends the process. Returns how many messages python-socketio decoded as frames. */
  stop(): Promise<number>;
}

const warmUp = Buffer.from(
  JSON.stringify({
    method: "emit",
    event: "warm_up",
    data: [{ [warmUpMark]: true }],
    binary: false,
    namespace: "/",
    room: "nobody",
  }),
);

/**
 * Starts the listener on `channels` through the sidecar at `url`. Resolves when each of its subscriptions has heard a
 * warm-up frame published at `publishPort`; undefined when the Python environment is not there.
 */
export async function startPythonListener(options: {
  venv: PythonVenv;
  url: string;
  channels: Buffer[];
  publishPort: number;
}): Promise<PythonListener | undefined> {
  const python = pythonIfPrepared(options.venv);
  if (python === undefined) return undefined;
  const child = spawnChild(python, [inRoot("bench", "demo", "listener.py"), `${options.url}/0`], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const warm = new Set<number>();
  const errors: string[] = [];
  let checker: Checker | undefined;
  let decoded = 0;
  eachLine(child.stderr, (line) => errors.push(line));
  eachLine(child.stdout, (line) => {
    const [number, text, flag] = line.split(" ") as [string, string, string];
    if (number === "decoded") decoded = Number(text);
    else if (flag === "1") warm.add(Number(number));
    else checker?.hearDigest(options.channels[Number(number)] as Buffer, text);
  });
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  child.stdin?.on("error", () => {});
  child.stdin?.write(`${JSON.stringify(options.channels.map(String))}\n`);
  const publisher = await RespClient.connect({ port: options.publishPort });
  try {
    await eventually(
      "python-socketio hears every channel",
      async () => {
        if (child.exitCode !== null) throw new Error(`python ended:\n${errors.join("\n")}`);
        for (const [number, channel] of options.channels.entries()) {
          if (!warm.has(number)) await publisher.command("PUBLISH", channel, warmUp);
        }
        return warm.size === options.channels.length;
      },
      20_000,
      40,
    );
  } catch (error) {
    await stopChild(child, "SIGKILL");
    throw error;
  } finally {
    await publisher.close();
  }
  return {
    check(next) {
      checker = next;
    },
    async stop() {
      child.stdin?.end();
      await within("python-socketio ends", exited, 10_000).catch(() => stopChild(child, "SIGKILL"));
      return decoded;
    },
  };
}
