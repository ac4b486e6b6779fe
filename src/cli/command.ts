/** What a command of the command line is. Each lives in one file under commands/, listed in commands.ts. */
import type { Settings } from "../config/setting.js";
import type { Env } from "../config/types.js";

export const Exit = { Ok: 0, Failure: 1, Usage: 2 } as const;
export type ExitCode = (typeof Exit)[keyof typeof Exit];

/** The world of a command, so that tests can look at what it writes. */
export interface Io {
  readonly env: Env;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

export interface Switch {
  readonly name: string;
  readonly doc: string;
}

export interface Command {
  readonly name: string;
  /** One sentence for the list of commands. */
  readonly summary: string;
  /** Flags without a value that only this command has. */
  readonly switches: readonly Switch[];
  /** Its settings, where they are not the sidecar's. */
  readonly settings?: Settings;
  /** What `--help` says beside them. */
  readonly usage?: string;
  /** Runs to the end and returns the exit code. `args` is what follows the command's name. */
  run(args: readonly string[], io: Io): Promise<ExitCode>;
}
