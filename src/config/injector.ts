/**
 * The settings of the injector: what the sidecars get that it adds (`injectionTable`, used by `keyframe inject` too), its
 * own addresses and files (`serverTable`), and those of the certificates' job (`certsTable`). Tables of their own, so
 * that the sidecar's stays what a sidecar needs.
 */
import { cpuBounds, memoryBounds, quantityPair } from "./quantity.js";
import { ENV_PREFIX, readGiven, type Setting, type Settings, settingsUnder, type ValueIn } from "./setting.js";
import { type ConfigIssue, type Env, type Flags, logLevels } from "./types.js";
import { unknownFlags, unknownVariables } from "./unknown.js";
import { parseUpstreamUrl, showUpstream } from "./upstream.js";
import { address, choice, duration, filePath, type Kind, plainText, size } from "./values.js";

const PREFIX = `${ENV_PREFIX}INJECTOR_`;
const setting = settingsUnder(PREFIX);

const MiB = 1024 * 1024;
const SECOND = 1000;
const HOUR = 3600 * SECOND;

/** An upstream's URL, kept as it was written: it goes into the sidecar's environment. */
export const upstreamText: Kind<string> = {
  metavar: "url",
  bounds: undefined,
  secret: false,
  read(text) {
    const read = parseUpstreamUrl(text);
    return read.ok ? { ok: true, value: text } : read;
  },
  show(text) {
    const read = parseUpstreamUrl(text);
    return read.ok ? showUpstream(read.value.upstream) : "***";
  },
};

export interface KubernetesVersion {
  readonly major: number;
  readonly minor: number;
}

const kubernetesVersion: Kind<KubernetesVersion> = {
  metavar: "major.minor",
  bounds: undefined,
  secret: false,
  read(text) {
    const found = /^v?(\d{1,3})\.(\d{1,3})(?:[.+-].*)?$/.exec(text);
    if (found) return { ok: true, value: { major: Number(found[1]), minor: Number(found[2]) } };
    return { ok: false, problem: "is not a version of Kubernetes", remedy: "Write major.minor, for example 1.34." };
  },
  show: ({ major, minor }) => `${major}.${minor}`,
};

export const nativeModes = ["auto", "always", "never"] as const;
export const pullPolicies = ["Always", "IfNotPresent", "Never"] as const;

export const injectionTable = {
  image: setting("image", "sidecar", {
    kind: plainText,
    example: "registry.example/keyframe:0.1.0",
    doc: "Image of the sidecars.",
  }),
  imagePullPolicy: setting("image-pull-policy", "sidecar", {
    kind: choice(pullPolicies),
    default: "IfNotPresent",
    doc: "When nodes pull it.",
  }),
  nativeSidecar: setting("native-sidecar", "sidecar", {
    kind: choice(nativeModes),
    default: "auto",
    doc: "Whether sidecars are native ones, which start before the app and end after it. auto: unless the cluster is older than 1.29.",
  }),
  kubernetesVersion: setting("kubernetes-version", "sidecar", {
    kind: kubernetesVersion,
    example: "1.34",
    doc: "The cluster's version, for auto; the API is never asked. Without it the cluster counts as new.",
  }),
  upstream: setting("upstream", "sidecar", {
    kind: upstreamText,
    example: "redis://valkey.data:6379/0",
    doc: "Upstream of pods that ask for a sidecar and name no server of their own. It stands in the pods, so it should hold no password.",
  }),
  cpu: setting("cpu", "sidecar", {
    kind: quantityPair(cpuBounds),
    default: "50m",
    doc: "CPU of a sidecar: request, or request/limit.",
  }),
  memory: setting("memory", "sidecar", {
    kind: quantityPair(memoryBounds),
    default: "256Mi",
    doc: "Memory of a sidecar: request and limit in one, or request/limit.",
  }),
  sidecarLogLevel: setting("sidecar-log-level", "sidecar", {
    kind: choice(logLevels),
    example: "info",
    doc: "Least severe log lines of the sidecars, if not the sidecar's default.",
  }),
};

export const serverTable = {
  ...injectionTable,
  listen: setting("listen", "server", {
    kind: address("0.0.0.0:8443"),
    default: "0.0.0.0:8443",
    doc: "Where the API server's requests come in, with TLS: POST /mutate.",
  }),
  admin: setting("admin", "server", {
    kind: address("0.0.0.0:9466"),
    default: "0.0.0.0:9466",
    doc: "Where /healthz, /readyz and /metrics are served, without TLS.",
  }),
  tlsCert: setting("tls-cert", "server", {
    kind: filePath,
    example: "/run/keyframe/tls/tls.crt",
    doc: "PEM file of the certificate, with its chain.",
  }),
  tlsKey: setting("tls-key", "server", {
    kind: filePath,
    example: "/run/keyframe/tls/tls.key",
    doc: "PEM file of its key.",
  }),
  tlsReloadMs: setting("tls-reload", "server", {
    kind: duration(50, HOUR),
    default: "10s",
    doc: "How often the two files are looked at. New ones are used for the next connections, without a restart.",
  }),
  bodyBytes: setting("body-bytes", "server", {
    kind: size(MiB, 64 * MiB),
    default: "4MiB",
    doc: "Longest request. A longer one is let through unchanged. The API server's own limit for a pod is below 2 MiB.",
  }),
  requestTimeoutMs: setting("request-timeout", "server", {
    kind: duration(100, 30 * SECOND),
    default: "5s",
    doc: "Longest time for a handshake, and for a request to come in. The API server gives up after its own timeout.",
  }),
  drainDelayMs: setting("drain-delay", "server", {
    kind: duration(0, HOUR),
    default: "5s",
    doc: "After SIGTERM, requests are served for this much longer, because the API server does not hear of it at once. Part of the drain timeout.",
  }),
  drainTimeoutMs: setting("drain-timeout", "server", {
    kind: duration(0, HOUR),
    default: "15s",
    doc: "After SIGTERM, everything has ended by then. Keep it below the pod's grace period.",
  }),
  logLevel: settingsUnder(ENV_PREFIX)("log-level", "server", {
    kind: choice(logLevels),
    default: "info",
    doc: "Least severe log lines of the injector itself.",
  }),
};

export const certsTable = {
  namespace: settingsUnder(`${PREFIX}CERTS_`)("namespace", "certificates", {
    kind: plainText,
    example: "keyframe",
    doc: "Namespace of the Service and the Secret.",
  }),
  service: settingsUnder(`${PREFIX}CERTS_`)("service", "certificates", {
    kind: plainText,
    example: "keyframe-injector",
    doc: "Service of the webhook; the certificate is for its names.",
  }),
  secret: settingsUnder(`${PREFIX}CERTS_`)("secret", "certificates", {
    kind: plainText,
    example: "keyframe-injector-tls",
    doc: "Secret that holds tls.crt, tls.key and ca.crt. Made if it is not there.",
  }),
  webhookConfiguration: settingsUnder(`${PREFIX}CERTS_`)("webhook-configuration", "certificates", {
    kind: plainText,
    example: "keyframe-injector",
    doc: "MutatingWebhookConfiguration whose caBundle is kept in step. Without it nothing that still works is renewed, because the API server could not follow.",
  }),
  renewBeforeMs: settingsUnder(`${PREFIX}CERTS_`)("renew-before", "certificates", {
    kind: duration(0, 8760 * HOUR),
    default: "720h",
    doc: "Renew a certificate that has no more than this to live. It lives for a year.",
  }),
  dir: settingsUnder(`${PREFIX}CERTS_`)("dir", "certificates", {
    kind: filePath,
    example: "./certificates",
    doc: "Write ca.crt, tls.crt and tls.key into this folder instead of a cluster, for localhost as well.",
  }),
};

type ValuesOf<T> = { readonly [K in keyof T]: ValueIn<T[K]> };
type Defaulted<T, Optional extends keyof T> = Omit<ValuesOf<T>, Optional> & {
  readonly [K in Optional]: ValueIn<T[K]> | undefined;
};

/** What the sidecars get that are added. */
export type Injection = Defaulted<typeof injectionTable, "kubernetesVersion" | "upstream" | "sidecarLogLevel">;
export type InjectorConfig = Defaulted<typeof serverTable, "kubernetesVersion" | "upstream" | "sidecarLogLevel">;
export type CertsConfig = Defaulted<
  typeof certsTable,
  "namespace" | "service" | "secret" | "webhookConfiguration" | "dir"
>;

type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errors: ConfigIssue[] };

/** Reads all settings of a table; all faults come back at once. `required` are those without which nothing works. */
function parse(
  table: Readonly<Record<string, unknown>>,
  required: readonly string[],
  env: Env,
  flags: Flags,
): Parsed<Record<string, unknown>> {
  const entries = Object.entries(table) as [string, Setting][];
  const settings: Settings = entries.map(([, one]) => one);
  const errors = [...unknownFlags(flags, settings), ...unknownVariables(env, settings, PREFIX)];
  const value: Record<string, unknown> = {};
  for (const [key, one] of entries) {
    const read = readGiven(one, env, flags);
    if (read.issue) errors.push(one.kind === upstreamText ? { ...read.issue, value: undefined } : read.issue);
    else if (read.value === undefined && required.includes(key)) {
      errors.push({
        setting: one.env,
        value: undefined,
        problem: "is not set",
        remedy: `For example ${one.env}=${one.example}.`,
      });
    }
    value[key] = read.value;
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, value };
}

/** The settings of `keyframe injector`. */
export function parseInjectorConfig(env: Env, flags: Flags): Parsed<InjectorConfig> {
  return parse(serverTable, ["image", "tlsCert", "tlsKey"], env, flags) as Parsed<InjectorConfig>;
}

/** The settings of `keyframe inject`. What only the webhook needs is not looked at, so one environment serves both. */
export function parseInjection(env: Env, flags: Flags, needImage: boolean): Parsed<Injection> {
  const names = new Set(Object.values(injectionTable).map((one) => one.env));
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => names.has(name)));
  return parse(injectionTable, needImage ? ["image"] : [], own, flags) as Parsed<Injection>;
}

/** The settings of `keyframe injector-certs`. */
export function parseCertsConfig(env: Env, flags: Flags): Parsed<CertsConfig> {
  const local = typeof flags.dir === "string" || Boolean(env[certsTable.dir.env]);
  const required = local ? [] : ["namespace", "service", "secret"];
  const own = Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith(`${PREFIX}CERTS_`)));
  return parse(certsTable, required, own, flags) as Parsed<CertsConfig>;
}
