/** Rules that hold between settings, and between a setting and the file it names, after each has been read by itself. */
import { shownValue } from "./redact.js";
import type { Given } from "./setting.js";
import { type SettingKey, table, type ValueOf } from "./table.js";
import type { ConfigIssue, Files, Upstream } from "./types.js";
import { isLoopback } from "./values.js";

/** The settings that were given, or have a default, and could be read. */
export type Values = { readonly [K in SettingKey]: ValueOf<K> | undefined };

/** What the rules look at, and where they leave what they find. */
export interface Reading {
  readonly values: Values;
  readonly files: Files;
  readonly errors: ConfigIssue[];
  where(key: SettingKey): Given | undefined;
}

/** The name under which a setting was given, or its variable. */
export function labelOf(reading: Reading, key: SettingKey): string {
  return reading.where(key)?.label ?? table[key].env;
}

function wrong(reading: Reading, key: SettingKey, problem: string, remedy: string): void {
  const text = reading.where(key)?.text;
  const setting = labelOf(reading, key);
  reading.errors.push({ setting, value: showable(key, text) ? shownValue(text!) : undefined, problem, remedy });
}

/** Whether the text of a setting may stand in a message. */
export function showable(key: SettingKey, text: string | undefined): boolean {
  if (text === undefined || table[key].kind.secret) return false;
  // A URL that could not be read may hold a password anywhere.
  if (key === "upstream") return false;
  // A password in the place of the name of its file is an easy slip, so only what looks like a path is shown.
  return !key.endsWith("PasswordFile") || /^[./]/.test(text);
}

const READABLE = "Check the path, the mount and that the sidecar's user may read it.";
const ONE = "Remove one of the two.";

/** The password from its variable or its file, or undefined. */
export function passwordOf(reading: Reading, kind: "upstream" | "sentinel"): string | undefined {
  const direct = `${kind}Password` as const;
  const file = `${kind}PasswordFile` as const;
  const path = reading.values[file];
  if (path === undefined) return reading.values[direct];
  if (reading.values[direct] !== undefined) {
    wrong(reading, file, `is given beside ${labelOf(reading, direct)}`, ONE);
    return undefined;
  }
  const content = reading.files[path] ?? { ok: false, problem: "has not been read" };
  if (!content.ok) {
    wrong(reading, file, content.problem, READABLE);
    return undefined;
  }
  const text = content.text.replace(/\r?\n$/, "");
  if (text !== "") return text;
  wrong(reading, file, "names an empty file", "Put the password into the file.");
  return undefined;
}

/** Checks the authorities' file, where it has been read. */
export function checkAuthorities(reading: Reading): void {
  const path = reading.values.upstreamCa;
  const content = path === undefined ? undefined : reading.files[path];
  if (content === undefined) return;
  if (!content.ok) wrong(reading, "upstreamCa", content.problem, READABLE);
  else if (!content.text.includes("-----BEGIN CERTIFICATE-----")) {
    wrong(
      reading,
      "upstreamCa",
      "names a file without a PEM certificate",
      "It needs a -----BEGIN CERTIFICATE----- block.",
    );
  }
}

/** The upstream of the URL with the credentials that have variables of their own, or undefined if there is no URL. */
export function completeUpstream(reading: Reading): Upstream | undefined {
  const { values } = reading;
  const password = passwordOf(reading, "upstream");
  const sentinelPassword = passwordOf(reading, "sentinel");
  const url = behindSentinels(reading, values.upstream?.upstream);
  if (reading.where("upstream") === undefined) {
    const remedy = `Name the server behind the sidecar, for example ${table.upstream.env}=redis://valkey:6379/0.`;
    wrong(reading, "upstream", "is not set", remedy);
  }
  if (url === undefined) return undefined;

  const label = labelOf(reading, "upstream");
  if (url.username !== undefined && values.upstreamUsername !== undefined) {
    wrong(reading, "upstreamUsername", `is given beside a user in ${label}`, ONE);
  }
  if (url.password !== undefined && password !== undefined) {
    const key = values.upstreamPasswordFile === undefined ? "upstreamPassword" : "upstreamPasswordFile";
    wrong(reading, key, `is given beside a password in ${label}`, ONE);
  }
  checkUpstream(reading, url);

  const username = values.upstreamUsername;
  const sentinelUsername = values.sentinelUsername;
  const own = { ...url, ...(username !== undefined && { username }), ...(password !== undefined && { password }) };
  if (own.kind === "static") return own;
  if (values.sentinelHosts !== undefined && sentinelUsername === undefined && sentinelPassword === undefined) {
    return { ...own, ...asSentinelLogin(own) };
  }
  return {
    ...own,
    ...(sentinelUsername !== undefined && { sentinelUsername }),
    ...(sentinelPassword !== undefined && { sentinelPassword }),
  };
}

/** With a list of sentinels, the host of the URL is the master's name, as it is to Open WebUI. */
function behindSentinels(reading: Reading, url: Upstream | undefined): Upstream | undefined {
  const { sentinelHosts: hosts, sentinelPort: port } = reading.values;
  if (url === undefined || hosts === undefined) return url;
  if (url.kind === "sentinel") {
    wrong(reading, "sentinelHosts", `is set, but ${labelOf(reading, "upstream")} names sentinels itself`, ONE);
    return url;
  }
  const { host, port: _port, ...same } = url;
  if (port === undefined) return url;
  return { ...same, kind: "sentinel", master: host, nodes: hosts.map((node) => ({ host: node, port })) };
}

/** Open WebUI shows the URL's credentials to the sentinels too; it did not before 0.12, so a refusal is no obstacle. */
function asSentinelLogin({ username, password }: Upstream) {
  if (password === undefined) return {};
  return {
    ...(username !== undefined && { sentinelUsername: username }),
    sentinelPassword: password,
    sentinelLoginOptional: true,
  };
}

function checkUpstream(reading: Reading, url: Upstream): void {
  const { values } = reading;
  if (url.kind === "static") {
    for (const key of ["sentinelUsername", "sentinelPassword", "sentinelPasswordFile"] as const) {
      if (values[key] === undefined) continue;
      wrong(
        reading,
        key,
        "is set, but the upstream is not found through Sentinel",
        "Remove it, or use redis+sentinel://.",
      );
    }
    // The most likely slip when a URL is moved from the app to the sidecar: the sidecar would dial itself without end.
    const { listen } = values;
    const samePort = listen !== undefined && listen.port === url.port;
    if (samePort && (listen.host === url.host || (isLoopback(listen.host) && isLoopback(url.host)))) {
      const remedy = "Name the Redis or Valkey server here; the sidecar's own address belongs into the app.";
      wrong(reading, "upstream", "is the address this sidecar listens on", remedy);
    }
  }
  if (url.tls) return;
  for (const key of ["upstreamCa", "upstreamServerName"] as const) {
    if (values[key] === undefined) continue;
    wrong(
      reading,
      key,
      "is set, but the upstream's URL is without TLS",
      "Remove it, or write rediss:// or rediss+sentinel://.",
    );
  }
}

/** Checks limits that only make sense in one order, and the two addresses. */
export function checkPairs(reading: Reading): void {
  const { values } = reading;
  const { listen, admin } = values;
  if (listen && admin && listen.port !== 0 && listen.port === admin.port && listen.host === admin.host) {
    wrong(reading, "admin", `is the same address as ${labelOf(reading, "listen")}`, "Give each its own port.");
  }
  for (const [small, large] of [
    ["batchBytes", "queueBytes"],
    ["pauseBytes", "subscriberBufferBytes"],
    ["flushWindowMs", "queueWaitMs"],
  ] as const) {
    const [low, high] = [values[small], values[large]];
    if (low === undefined || high === undefined || low <= high) continue;
    const problem = `is larger than ${labelOf(reading, large)}, which is ${table[large].kind.show(high)}`;
    wrong(reading, small, problem, "Lower this one or raise the other.");
  }
}
