/**
 * Environment and flags in, a checked configuration or every error at once out. Pure: it looks at nothing but its
 * arguments, so files that settings name are read by the command line and handed in.
 */
import {
  checkAuthorities,
  checkPairs,
  completeUpstream,
  type Given,
  type Reading,
  showable,
  type Values,
} from "./check.js";
import { scrubber, shownValue } from "./redact.js";
import { type Setting, type SettingKey, table, type ValueOf } from "./table.js";
import type { Config, ConfigIssue, EffectiveSetting, Env, Files, Flags, ParseResult, Upstream } from "./types.js";
import { unknownFlags, unknownVariables } from "./unknown.js";
import { showUpstream } from "./upstream.js";
import { isLoopback, showHostPort } from "./values.js";

export type {
  Config,
  ConfigIssue,
  EffectiveSetting,
  Env,
  FileContent,
  Files,
  Flags,
  HostPort,
  ParseResult,
  Upstream,
} from "./types.js";

const keys = Object.keys(table) as SettingKey[];

/**
 * Where a setting's value comes from: flag, then variable, then default. An empty variable counts as none, because
 * manifests leave them empty; white space around a value is dropped, except in a password.
 */
function given(key: SettingKey, env: Env, flags: Flags): Given | undefined {
  const setting: Setting = table[key] as Setting;
  const flag = setting.flag === undefined ? undefined : flags[setting.name];
  if (flag !== undefined) return { source: "flag", label: setting.flag!, text: flag === true ? "" : flag.trim() };
  const raw = env[setting.env];
  const text = setting.kind.secret ? raw : raw?.trim();
  if (text !== undefined && text !== "") return { source: "env", label: setting.env, text };
  if (setting.default !== undefined) return { source: "default", label: setting.env, text: setting.default };
  return undefined;
}

/** Reads a single setting, for commands that need no more than one. Neither member is there if it was not given. */
export function readSetting<K extends SettingKey>(
  key: K,
  env: Env,
  flags: Flags,
): { value?: ValueOf<K>; issue?: ConfigIssue } {
  const setting = table[key] as unknown as Setting<ValueOf<K>>;
  const found = given(key, env, flags);
  if (found === undefined) return {};
  if (found.text === "") {
    const remedy = `For example ${found.label}=${setting.example}.`;
    return { issue: { setting: found.label, value: undefined, problem: "needs a value", remedy } };
  }
  const read = setting.kind.read(found.text);
  if (read.ok) return { value: read.value };
  const value = showable(key, found.text) ? shownValue(found.text) : undefined;
  return { issue: { setting: found.label, value, problem: read.problem, remedy: read.remedy } };
}

/**
 * Parses the whole configuration.
 *
 * @param env  the process environment; only KEYFRAME_* is looked at
 * @param flags  parsed flags; unknown ones are reported
 * @param files  what the files named by `readsFile` settings hold; a password file that is missing here is an error
 */
export function parseConfig(env: Env, flags: Flags, files: Files = {}): ParseResult {
  const errors = [...unknownFlags(flags), ...unknownVariables(env)];
  const entries = keys.map((key) => {
    const { value, issue } = readSetting(key, env, flags);
    if (issue) errors.push(issue);
    return [key, value];
  });
  const values = Object.fromEntries(entries) as Values;
  const reading: Reading = { values, files, errors, where: (key) => given(key, env, flags) };
  const upstream = completeUpstream(reading);
  checkAuthorities(reading);
  checkPairs(reading);
  if (errors.length > 0 || upstream === undefined) return { ok: false, errors: scrubbed(errors, values, upstream) };

  const config = assemble(values as { [K in SettingKey]: ValueOf<K> }, upstream);
  return { ok: true, config, warnings: warningsOf(config, reading), settings: effective(config, reading) };
}

/** The last line of defence: passwords that were understood are taken out of whatever a message quotes. */
function scrubbed(errors: readonly ConfigIssue[], values: Values, upstream: Upstream | undefined): ConfigIssue[] {
  const clean = scrubber([upstream?.password, values.upstreamPassword, values.sentinelPassword]);
  return errors.map((error) => ({ ...error, value: error.value === undefined ? undefined : clean(error.value) }));
}

/** The passwords of a configuration, for those who must keep them out of what they write. */
export function secretsOf({ upstream }: Config): string[] {
  const found = [upstream.password, upstream.kind === "sentinel" ? upstream.sentinelPassword : undefined];
  return found.filter((secret) => secret !== undefined);
}

function assemble(values: { readonly [K in SettingKey]: ValueOf<K> }, upstream: Upstream): Config {
  const {
    upstream: _url,
    upstreamUsername: _username,
    upstreamPassword: _password,
    upstreamPasswordFile: _passwordFile,
    upstreamCa: upstreamCaFile,
    sentinelUsername: _sentinelUsername,
    sentinelPassword: _sentinelPassword,
    sentinelPasswordFile: _sentinelPasswordFile,
    ...same
  } = values;
  return { ...same, upstream, upstreamCaFile };
}

function warningsOf(config: Config, reading: Reading): string[] {
  const { listen, upstream } = config;
  const url = reading.where("upstream")!;
  const warnings: string[] = [];
  if (!isLoopback(listen.host)) {
    const at = `${reading.where("listen")!.label} is ${showHostPort(listen)}, which is not a loopback address`;
    warnings.push(`${at}: whoever reaches it reaches the upstream, and the way from the app is not encrypted.`);
  }
  if (reading.values.upstream?.ignoredQuery) {
    const why = "its parameters are for client libraries. Certificates are always verified";
    warnings.push(`The query of ${url.label} is ignored: ${why}.`);
  }
  if (url.source === "flag" && upstream.password !== undefined && reading.values.upstream?.upstream.password) {
    warnings.push(`A process list shows ${url.label}: give its password in ${table.upstreamPasswordFile.env}.`);
  }
  if (upstream.username !== undefined && upstream.password === undefined) {
    warnings.push("The upstream has a user name and no password; a password alone is written redis://:password@host.");
  }
  return warnings;
}

function effective(config: Config, { values, where }: Reading): EffectiveSetting[] {
  return keys.map((key) => {
    const setting = table[key] as Setting;
    const value = values[key];
    const shown = key === "upstream" ? showUpstream(config.upstream) : setting.kind.show(value);
    const { name, env } = setting;
    return { name, env, value: value === undefined ? undefined : shown, source: where(key)?.source ?? "default" };
  });
}
