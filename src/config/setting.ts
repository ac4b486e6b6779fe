/**
 * What a row of a table of settings is. There is one table for each process: the sidecar's (table.ts), and those of the
 * injector and its relatives (injector.ts). Reading, help and the complaints about unknown names are the same for all.
 */
import { shownValue } from "./redact.js";
import type { ConfigIssue, Env, Flags, Source } from "./types.js";
import type { Kind } from "./values.js";

export interface Setting<T = unknown> {
  readonly name: string;
  readonly env: string;
  /** Undefined for secrets: a process list shows flags. */
  readonly flag: string | undefined;
  readonly group: string;
  readonly kind: Kind<T>;
  /** As the operator would write it; undefined where nothing is a sensible default. */
  readonly default: string | undefined;
  readonly example: string;
  readonly doc: string;
  /** The command line reads the named file and hands its content to the parse. */
  readonly readsFile: boolean;
}

export interface Row<T> {
  readonly default?: string;
  readonly example?: string;
  readonly doc: string;
  readonly readsFile?: boolean;
  readonly kind: Kind<T>;
}

export type Settings = readonly Setting[];

/** The type of a setting's value. */
export type ValueIn<S> = S extends Setting<infer T> ? T : never;

export const ENV_PREFIX = "KEYFRAME_";

/** A maker of rows whose variables begin with `prefix`: `flush-window` is <prefix>FLUSH_WINDOW and --flush-window. */
export function settingsUnder(prefix: string) {
  return function setting<T>(name: string, group: string, row: Row<T>): Setting<T> {
    const example = row.example ?? row.default;
    if (example === undefined) throw new Error(`setting ${name} has neither an example nor a default`);
    return {
      name,
      env: prefix + name.replaceAll("-", "_").toUpperCase(),
      flag: row.kind.secret ? undefined : `--${name}`,
      group,
      kind: row.kind,
      default: row.default,
      example,
      doc: row.doc,
      readsFile: row.readsFile ?? false,
    };
  };
}

/** A setting as it was given: where, and the text. */
export interface Given {
  readonly source: Source;
  /** `KEYFRAME_X` or `--x`, for messages. */
  readonly label: string;
  readonly text: string;
}

/**
 * Where a setting's value comes from: flag, then variable, then default. An empty variable counts as none, because
 * manifests leave them empty; white space around a value is dropped, except in a password.
 */
export function given(setting: Setting, env: Env, flags: Flags): Given | undefined {
  const flag = setting.flag === undefined ? undefined : flags[setting.name];
  if (flag !== undefined) return { source: "flag", label: setting.flag!, text: flag === true ? "" : flag.trim() };
  const raw = env[setting.env];
  const text = setting.kind.secret ? raw : raw?.trim();
  if (text !== undefined && text !== "") return { source: "env", label: setting.env, text };
  if (setting.default !== undefined) return { source: "default", label: setting.env, text: setting.default };
  return undefined;
}

/** Reads a setting. Neither member is there if it was not given; the issue shows the value unless it is a secret. */
export function readGiven<T>(setting: Setting<T>, env: Env, flags: Flags): { value?: T; issue?: ConfigIssue } {
  const found = given(setting as Setting, env, flags);
  if (found === undefined) return {};
  if (found.text === "") {
    const remedy = `For example ${found.label}=${setting.example}.`;
    return { issue: { setting: found.label, value: undefined, problem: "needs a value", remedy } };
  }
  const read = setting.kind.read(found.text);
  if (read.ok) return { value: read.value };
  const value = setting.kind.secret ? undefined : shownValue(found.text);
  return { issue: { setting: found.label, value, problem: read.problem, remedy: read.remedy } };
}
