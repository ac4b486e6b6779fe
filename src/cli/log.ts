/**
 * The log of the process: JSON lines on stdout through pino, `{"level","time","event",…}`. Known secrets, URL
 * credentials and fields named like secrets are taken out here once more, whatever the caller has done.
 */
import { type DestinationStream, pino } from "pino";
import { HIDDEN, scrubber } from "../config/redact.js";
import type { LogLevel } from "../config/types.js";
import type { Log, LogFields } from "../core/ports.js";

export interface LogOptions {
  readonly level: LogLevel;
  /** Texts that must never be written. */
  readonly secrets: readonly string[];
  /** Where lines go instead of stdout. */
  readonly destination?: DestinationStream;
}

export interface ProcessLog {
  readonly log: Log;
  /** Returns once every line is with the system. For the moment before an exit. */
  flush(): void;
}

/**
 * Creates the log. Lines to stdout are written at once and in order, so that the last words of a process are not lost.
 * The price is that a reader which stands still stops us too, which is bearable because lines are few.
 */
export function createLog({ level, secrets, destination }: LogOptions): ProcessLog {
  const stdout = destination === undefined ? pino.destination({ dest: 1, sync: true }) : undefined;
  // A reader that has gone away must not take the sidecar with it.
  stdout?.on("error", () => {});
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const logger = pino(options, destination ?? stdout!);
  const clean = scrubber(secrets);
  const writer = (severity: LogLevel) => (event: string, fields?: LogFields) => {
    if (!logger.isLevelEnabled(severity)) return;
    logger[severity]({ event, ...(fields && safeFields(fields, clean, severity === "error")) });
  };
  const log = { debug: writer("debug"), info: writer("info"), warn: writer("warn"), error: writer("error") };
  return { log, flush: () => stdout?.flushSync() };
}

const reserved = new Set(["level", "time", "event"]);
const secretName = /pass(?:word|wd|phrase)?$|secret|token$|credential|authorization/i;
const MAX_DEPTH = 4;
const MAX_ITEMS = 50;
const MAX_TEXT = 4096;

type Clean = (text: string) => string;

function safeFields(fields: LogFields, clean: Clean, stacks: boolean): LogFields {
  const safe = safeRecord(fields, clean, stacks, 0);
  // A field of ours must not stand twice in a line.
  for (const name of reserved) {
    if (!Object.hasOwn(safe, name)) continue;
    safe[`field_${name}`] = safe[name];
    delete safe[name];
  }
  return safe;
}

function safeRecord(record: object, clean: Clean, stacks: boolean, depth: number): LogFields {
  const safe: LogFields = {};
  for (const [name, value] of Object.entries(record).slice(0, MAX_ITEMS)) {
    const hidden = secretName.test(name) && value !== undefined && typeof value !== "boolean";
    safe[clean(name)] = hidden ? HIDDEN : safeValue(value, clean, stacks, depth + 1);
  }
  return safe;
}

function safeValue(value: unknown, clean: Clean, stacks: boolean, depth: number): unknown {
  if (typeof value === "string") return clean(value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  // Payloads and keys of apps are theirs.
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  if (depth > MAX_DEPTH) return "…";
  if (value instanceof Error) return safeError(value, clean, stacks, depth);
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => safeValue(item, clean, stacks, depth + 1));
  return safeRecord(value, clean, stacks, depth);
}

function safeError(error: Error, clean: Clean, stacks: boolean, depth: number): LogFields {
  const { code } = error as NodeJS.ErrnoException;
  const text = (value: unknown) => safeValue(value, clean, stacks, depth + 1);
  return {
    name: text(error.name),
    ...(typeof code === "string" && { code: text(code) }),
    message: text(error.message),
    // A dial that tried several addresses keeps its reasons here, and an empty message.
    ...(error instanceof AggregateError && { errors: text(error.errors) }),
    ...(error.cause !== undefined && { cause: text(error.cause) }),
    ...(stacks && { stack: text(error.stack) }),
  };
}
