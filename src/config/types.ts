/**
 * What the rest of the house is told about its configuration. Everything here is already checked:
 * addresses are split, durations are milliseconds, sizes are bytes, percent escapes are decoded.
 */

/** A host and a port. IPv6 hosts stand without their brackets; a port of 0 (to listen on) means any free one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

interface UpstreamCommon {
  /** TLS towards the data nodes and, with Sentinel, towards the sentinels. */
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Logical database of the sidecar's own connections. */
  readonly db: number;
}

export type Upstream =
  | (UpstreamCommon & { readonly kind: "static"; readonly host: string; readonly port: number })
  | (UpstreamCommon & {
      readonly kind: "sentinel";
      readonly nodes: readonly HostPort[];
      readonly master: string;
      readonly sentinelUsername?: string;
      readonly sentinelPassword?: string;
      /** The credentials are the servers' own, tried at the sentinels as well; a sentinel that refuses them is asked without. */
      readonly sentinelLoginOptional?: boolean;
    });

export const frameModes = ["auto", "off"] as const;
export const fleetModes = ["auto", "uniform"] as const;
export const emitterModes = ["many", "one"] as const;
export const logLevels = ["debug", "info", "warn", "error"] as const;

export type FrameMode = (typeof frameModes)[number];
export type FleetMode = (typeof fleetModes)[number];
export type EmitterMode = (typeof emitterModes)[number];
export type LogLevel = (typeof logLevels)[number];

/** The names that end in Ms are milliseconds, those that end in Bytes are bytes, the other numbers are counts. */
export interface Config {
  readonly listen: HostPort;
  readonly admin: HostPort;
  readonly upstream: Upstream;
  /** Path of a PEM bundle that replaces the system's certificate authorities for the upstream. */
  readonly upstreamCaFile: string | undefined;
  /** Name that the upstream's certificate must carry, where it is not the host that is dialled. */
  readonly upstreamServerName: string | undefined;
  /** Deadline for one sentinel's answer, and for the role of the master that they name. */
  readonly sentinelTimeoutMs: number;
  readonly frames: FrameMode;
  readonly fleet: FleetMode;
  readonly emitters: EmitterMode;
  /** Exact channel names, or prefixes with `*` at their end. */
  readonly channels: string[];
  /** Keeps the users of this pod over a restart; undefined: nothing is kept, and frames for all users are taken. */
  readonly stateDir: string | undefined;
  readonly keyPrefix: string;
  readonly rooms: number;
  readonly roomWaitMs: number;
  readonly flushWindowMs: number;
  readonly batchFrames: number;
  readonly batchBytes: number;
  readonly maxBulkBytes: number;
  readonly maxDepth: number;
  readonly maxArgs: number;
  readonly maxConnections: number;
  /** Bodies of EVAL that are remembered; 0 sends all of them whole. */
  readonly scripts: number;
  readonly scriptBytes: number;
  readonly requestTimeoutMs: number;
  readonly queueBytes: number;
  readonly queueWaitMs: number;
  readonly largeBytes: number;
  readonly largeWindowBytes: number;
  readonly largeWaitMs: number;
  readonly largeBufferBytes: number;
  readonly rawMaxBytes: number;
  readonly streams: number;
  readonly streamIdleMs: number;
  readonly streamBytes: number;
  readonly holdMs: number;
  readonly holdBytes: number;
  readonly nackWindowMs: number;
  readonly subscriberBufferBytes: number;
  readonly pauseBytes: number;
  readonly collapseBytes: number;
  readonly dialTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly canaryMs: number;
  readonly canaryTimeoutMs: number;
  readonly halfCloseMs: number;
  readonly logLevel: LogLevel;
}

/** One thing that is wrong, in words for the operator. No field ever holds a secret. */
export interface ConfigIssue {
  /** The variable or flag as the operator wrote it, for example `KEYFRAME_LISTEN` or `--listen`. */
  readonly setting: string;
  /** The redacted value, or undefined where none was given or none may be shown. */
  readonly value: string | undefined;
  readonly problem: string;
  readonly remedy: string;
}

export type Source = "default" | "env" | "flag";

/** One row of `keyframe config`. */
export interface EffectiveSetting {
  readonly name: string;
  readonly env: string;
  /** The value as text, redacted; undefined where the setting is not in use. */
  readonly value: string | undefined;
  readonly source: Source;
}

/** What became of a file that a setting names. The command line reads files; the parse only looks at the outcome. */
export type FileContent =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problem: string };

export type ParseResult =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly warnings: readonly string[];
      readonly settings: readonly EffectiveSetting[];
    }
  | { readonly ok: false; readonly errors: readonly ConfigIssue[] };

export type Env = Readonly<Record<string, string | undefined>>;
/** Flag names without dashes; `true` for a flag that stands without a value. */
export type Flags = Readonly<Record<string, string | true>>;
/** Outcomes of reading the files that settings name, by path. */
export type Files = Readonly<Record<string, FileContent>>;
