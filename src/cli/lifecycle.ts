/**
 * The life of a process, the sidecar's or the injector's: start, run until a signal, drain. Whatever nobody has caught ends the process at
 * once, because the state of the streams can no longer be trusted; the pod starts it again.
 */
import type { Log } from "../core/ports.js";
import { Exit, type ExitCode } from "./command.js";

/** A running sidecar or injector, as its composition root hands it out. */
export interface Sidecar {
  readonly listen: string;
  readonly admin: string;
  drain(reason: string): Promise<void>;
}

/** The part of `process` that is used. */
export interface Host extends Pick<NodeJS.EventEmitter, "on" | "off"> {
  exit(code: ExitCode): void;
}

/** What the life of a process needs of its configuration. */
export interface Timed {
  readonly drainTimeoutMs: number;
}

export interface Life<C extends Timed> {
  readonly log: Log;
  readonly flush: () => void;
  readonly start: (config: C, log: Log) => Promise<Sidecar>;
  readonly host: Host;
}

/** Draining keeps its own time; this is what it may take longer before the process ends anyway. */
const GRACE_MS = 2000;

/** Runs a sidecar to its end and returns the exit code. Installs the process's handlers and removes them again. */
export async function live<C extends Timed>(config: C, warnings: readonly string[], life: Life<C>): Promise<ExitCode> {
  const { log, flush, start, host } = life;
  const leave = (code: ExitCode) => {
    try {
      flush();
    } finally {
      host.exit(code);
    }
  };
  const { promise: stopped, resolve: stop } = deferred<string>();
  let signalled = false;
  let overdue: NodeJS.Timeout | undefined;
  const onSignal = (signal: string) => {
    if (signalled) {
      log.warn("second-signal", { signal });
      return leave(Exit.Failure);
    }
    signalled = true;
    overdue = setTimeout(() => {
      log.error("drain-overdue", { afterMs: config.drainTimeoutMs + GRACE_MS });
      leave(Exit.Failure);
    }, config.drainTimeoutMs + GRACE_MS);
    stop(signal);
  };
  const fatal = (event: string) => (error: unknown) => {
    try {
      log.error(event, { error });
    } finally {
      leave(Exit.Failure);
    }
  };
  const handlers: [string, (cause: string) => void][] = [
    ["SIGTERM", onSignal],
    ["SIGINT", onSignal],
    ["uncaughtException", fatal("uncaught-exception")],
    ["unhandledRejection", fatal("unhandled-rejection")],
  ];
  for (const [event, handler] of handlers) host.on(event, handler);

  try {
    for (const message of warnings) log.warn("config-warning", { message });
    const sidecar = await start(config, log);
    log.info("listening", { listen: sidecar.listen, admin: sidecar.admin });
    const reason = await stopped;
    log.info("draining", { reason });
    await sidecar.drain(reason);
    log.info("stopped", { reason });
    return Exit.Ok;
  } catch (error) {
    log.error("failed", { error });
    return Exit.Failure;
  } finally {
    clearTimeout(overdue);
    for (const [event, handler] of handlers) host.off(event, handler);
    flush();
  }
}

/** Promise.withResolvers, which Node 20 does not have. */
function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
