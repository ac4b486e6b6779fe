/**
 * Environment and flags in, a checked configuration or every error at once out. Pure: it looks at nothing but its
 * arguments, so files that settings name are read by the command line and handed in.
 */
import { checkAuthorities, checkPairs, completeUpstream, type Reading, showable, type Values } from "./check.js";
import { scrubber } from "./redact.js";
import { given, readGiven, type Setting } from "./setting.js";
import { type SettingKey, settings, table, type ValueOf } from "./table.js";
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

/** Reads a single setting, for commands that need no more than one. Neither member is there if it was not given. */
export function readSetting<K extends SettingKey>(
  key: K,
  env: Env,
  flags: Flags,
): { value?: ValueOf<K>; issue?: ConfigIssue } {
  const found = readGiven(table[key] as unknown as Setting<ValueOf<K>>, env, flags);
  if (found.issue === undefined || showable(key, given(table[key] as Setting, env, flags)?.text)) return found;
  return { issue: { ...found.issue, value: undefined } };
}

/**
 * Parses the whole configuration.
 *
 * @param env  the process environment; only KEYFRAME_* is looked at
 * @param flags  parsed flags; unknown ones are reported
 * @param files  what the files named by `readsFile` settings hold; a password file that is missing here is an error
 */
export function parseConfig(env: Env, flags: Flags, files: Files = {}): ParseResult {
  const errors = [...unknownFlags(flags, settings), ...unknownVariables(env, settings)];
  const entries = keys.map((key) => {
    const { value, issue } = readSetting(key, env, flags);
    if (issue) errors.push(issue);
    return [key, value];
  });
  const values = Object.fromEntries(entries) as Values;
  const reading: Reading = { values, files, errors, where: (key) => given(table[key] as Setting, env, flags) };
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
    sentinelHosts: _sentinelHosts,
    sentinelPort: _sentinelPort,
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
    const { name, env } = setting;
    const show = () => (key === "upstream" ? showUpstream(config.upstream) : setting.kind.show(value));
    return { name, env, value: value === undefined ? undefined : show(), source: where(key)?.source ?? "default" };
  });
}
