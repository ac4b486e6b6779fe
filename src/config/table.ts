/**
 * The one table of settings. The parse, `--help`, `keyframe config`, the suggestions for unknown names and the
 * reference in the documentation are all made from it. A setting `flush-window` is the variable
 * KEYFRAME_FLUSH_WINDOW and the flag --flush-window; a flag wins over a variable, a variable over the default.
 */
import { ENV_PREFIX, type Row, type Setting, settingsUnder, type ValueIn } from "./setting.js";
import { emitterModes, fleetModes, frameModes, logLevels } from "./types.js";
import { upstreamUrl } from "./upstream.js";
import {
  address,
  channelList,
  choice,
  count,
  duration,
  filePath,
  hostList,
  MAX_PORT,
  plainText,
  secretText,
  size,
} from "./values.js";

export const groups = ["addresses", "upstream", "frames", "streams", "limits", "time limits", "log"] as const;
export type Group = (typeof groups)[number];

const make = settingsUnder(ENV_PREFIX);
const setting = <T>(name: string, group: Group, row: Row<T>): Setting<T> => make(name, group, row);

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export const table = {
  listen: setting("listen", "addresses", {
    kind: address("127.0.0.1:6380"),
    default: "127.0.0.1:6380",
    doc: "Where the app connects, as it would to Redis. Whoever reaches this address reaches the upstream.",
  }),
  admin: setting("admin", "addresses", {
    kind: address("127.0.0.1:9465"),
    default: "127.0.0.1:9465",
    example: "0.0.0.0:9465",
    doc: "Where /healthz, /readyz and /metrics are served; no credentials are. Probes and scrapes from outside the pod need 0.0.0.0 or [::].",
  }),

  upstream: setting("upstream", "upstream", {
    kind: upstreamUrl,
    example: "redis+sentinel://app:secret@sentinel-0:26379,sentinel-1:26379/0/mymaster",
    doc: "The Redis or Valkey behind the sidecar: redis://, rediss:// (TLS), redis+sentinel:// or rediss+sentinel://. Credentials are percent-encoded.",
  }),
  upstreamUsername: setting("upstream-username", "upstream", {
    kind: plainText,
    example: "app",
    doc: "User of the sidecar's own connections, if the URL names none.",
  }),
  upstreamPassword: setting("upstream-password", "upstream", {
    kind: secretText,
    example: "secret",
    doc: "Password of the sidecar's own connections, if the URL has none. Taken as it is, not percent-encoded.",
  }),
  upstreamPasswordFile: setting("upstream-password-file", "upstream", {
    kind: filePath,
    example: "/run/secrets/keyframe/password",
    readsFile: true,
    doc: "File that holds that password, such as a mounted Secret. One line break at its end is dropped.",
  }),
  upstreamCa: setting("upstream-ca", "upstream", {
    kind: filePath,
    example: "/etc/keyframe/ca.pem",
    readsFile: true,
    doc: "PEM file of the authorities to trust for the upstream's certificate, in place of the system's.",
  }),
  upstreamServerName: setting("upstream-server-name", "upstream", {
    kind: plainText,
    example: "valkey.data.svc",
    doc: "Name the upstream's certificate must carry, where it is not the host that is dialled.",
  }),
  sentinelHosts: setting("sentinel-hosts", "upstream", {
    kind: hostList,
    example: "sentinel-0,sentinel-1,sentinel-2",
    doc: "Sentinels, as Open WebUI names them in WEBSOCKET_SENTINEL_HOSTS. With them, the host of a redis:// URL is the name of the master, and its credentials are shown to the sentinels as well unless they have their own.",
  }),
  sentinelPort: setting("sentinel-port", "upstream", {
    kind: count(1, MAX_PORT),
    default: "26379",
    doc: "Port of the sentinels of that list.",
  }),
  sentinelUsername: setting("sentinel-username", "upstream", {
    kind: plainText,
    example: "sentinel",
    doc: "User for the sentinels themselves. The URL's credentials are for the servers behind them.",
  }),
  sentinelPassword: setting("sentinel-password", "upstream", {
    kind: secretText,
    example: "secret",
    doc: "Password for the sentinels themselves.",
  }),
  sentinelPasswordFile: setting("sentinel-password-file", "upstream", {
    kind: filePath,
    example: "/run/secrets/keyframe/sentinel-password",
    readsFile: true,
    doc: "File that holds the password for the sentinels.",
  }),
  sentinelTimeoutMs: setting("sentinel-timeout", "upstream", {
    kind: duration(50, MINUTE),
    default: "1s",
    doc: "Longest wait for one sentinel's answer, and for the answer of the master that they name. Keep it below the dial timeout.",
  }),

  frames: setting("frames", "frames", {
    kind: choice(frameModes),
    default: "auto",
    doc: "auto sends deltas where every subscriber can rebuild them; off passes everything through unchanged.",
  }),
  fleet: setting("fleet", "frames", {
    kind: choice(fleetModes),
    default: "auto",
    doc: "uniform declares that every subscriber of the channels has a sidecar. Needed for deltas where apps subscribe by pattern or scripts are denied; with it, a pod without a sidecar misses frames.",
  }),
  emitters: setting("emitters", "frames", {
    kind: choice(emitterModes),
    default: "many",
    doc: "one declares that one worker is all that publishes in this pod. It would read its own frames whole and drop them, so they are not handed back to it; answers to calls are.",
  }),
  channels: setting("channels", "frames", {
    kind: channelList,
    default: "socketio,socketio#*,socket.io#*",
    doc: "Channels that carry frames: exact names, or prefixes with a star at the end.",
  }),
  stateDir: setting("state-dir", "frames", {
    kind: { ...plainText, metavar: "directory" },
    example: "/var/run/keyframe",
    doc: "Directory that outlives the sidecar but not its pod, as an emptyDir does. In it are kept the users that have sessions in this pod: frames for others need not reach its apps. Without it they all do.",
  }),
  keyPrefix: setting("key-prefix", "frames", {
    kind: plainText,
    default: "open-webui",
    doc: "The app's REDIS_KEY_PREFIX: its sessions are in <prefix>:session_pool.",
  }),
  rooms: setting("rooms", "frames", {
    kind: count(0, 1_000_000),
    default: "100000",
    doc: "Most users with sessions in this pod. With more, frames for all users are taken. 0 takes all from the beginning.",
  }),
  roomWaitMs: setting("room-wait", "frames", {
    kind: duration(0, 5 * SECOND),
    default: "250ms",
    doc: "Longest time for which the answer to the write of a session waits until the server counts this pod for its user.",
  }),
  flushWindowMs: setting("flush-window", "frames", {
    kind: duration(0, SECOND),
    default: "5ms",
    doc: "Longest time for which a busy sidecar gathers frames into one batch. A quiet one sends at once.",
  }),
  batchFrames: setting("batch-frames", "frames", {
    kind: count(1, 64),
    default: "64",
    doc: "Most frames in one batch.",
  }),
  batchBytes: setting("batch-bytes", "frames", {
    kind: size(KiB, 128 * KiB),
    default: "128KiB",
    doc: "Most bytes in one batch. The server answers nobody else while it hands a batch to the subscribers.",
  }),
  queueBytes: setting("queue-bytes", "frames", {
    kind: size(64 * KiB, 4 * GiB),
    default: "16MiB",
    doc: "Most bytes of frames that wait to be sent. Beyond it, the app waits for the answer to its PUBLISH.",
  }),
  queueWaitMs: setting("queue-wait", "frames", {
    kind: duration(100, 5 * MINUTE),
    default: "10s",
    doc: "Longest wait of a PUBLISH for room in the queue or for the upstream, before it is answered with an error.",
  }),
  largeBytes: setting("large-bytes", "frames", {
    kind: size(64 * KiB, 512 * MiB),
    default: "1MiB",
    doc: "A frame that takes more than this on the wire travels in chunks, no faster than its readers read.",
  }),
  largeWindowBytes: setting("large-window", "frames", {
    kind: size(64 * KiB, 4 * MiB),
    default: "1MiB",
    doc: "Most bytes of a large frame that are under way to a reader. Four chunks; the server buffers no more than this for anybody.",
  }),
  largeWaitMs: setting("large-wait", "frames", {
    kind: duration(SECOND, 5 * MINUTE),
    default: "10s",
    doc: "A large frame waits this long for readers that say nothing, then goes on without them. Its readers wait as long for a sender that says nothing.",
  }),
  rawMaxBytes: setting("raw-max-bytes", "frames", {
    kind: size(MiB, 512 * MiB),
    default: "31MiB",
    doc: "Largest frame that goes to subscribers without a sidecar; a larger one is refused with an error. Keep it below the hard limit of the server's client-output-buffer-limit pubsub, which drops every subscriber.",
  }),

  streams: setting("streams", "streams", {
    kind: count(1, 1_000_000),
    default: "10000",
    doc: "Most growing messages remembered, as a sender and as a receiver each.",
  }),
  streamIdleMs: setting("stream-idle", "streams", {
    kind: duration(SECOND, 24 * HOUR),
    default: "2m",
    doc: "A message that has not grown for this long is forgotten; its next frame goes whole.",
  }),
  streamBytes: setting("stream-bytes", "streams", {
    kind: size(MiB, 16 * GiB),
    default: "64MiB",
    doc: "Most bytes of remembered frames, as a sender and as a receiver each.",
  }),
  holdMs: setting("hold", "streams", {
    kind: duration(10, MINUTE),
    default: "1s",
    doc: "Longest wait for a keyframe. Frames that cannot be rebuilt by then are counted and left out.",
  }),
  holdBytes: setting("hold-bytes", "streams", {
    kind: size(64 * KiB, 4 * GiB),
    default: "16MiB",
    doc: "Most bytes of frames that wait for a keyframe.",
  }),
  largeBufferBytes: setting("large-buffer-bytes", "streams", {
    kind: size(MiB, 16 * GiB),
    default: "128MiB",
    doc: "Most bytes of large frames that are being received, over all senders. Of one that does not fit nothing is kept.",
  }),
  nackWindowMs: setting("nack-window", "streams", {
    kind: duration(1, 10 * SECOND),
    default: "50ms",
    doc: "Requests for keyframes to one sender are gathered for this long.",
  }),

  maxConnections: setting("max-connections", "limits", {
    kind: count(1, 1_000_000),
    default: "10000",
    doc: "Most connections of apps. One more is answered with an error and closed.",
  }),
  maxBulkBytes: setting("max-bulk-bytes", "limits", {
    kind: size(MiB, 512 * MiB),
    default: "64MiB",
    doc: "Longest single argument or bulk reply.",
  }),
  maxDepth: setting("max-depth", "limits", {
    kind: count(4, 1024),
    default: "32",
    doc: "Deepest nesting of a reply.",
  }),
  maxArgs: setting("max-args", "limits", {
    kind: count(16, 16_777_216),
    default: "1048576",
    doc: "Most arguments of a command, and most elements of one array in a reply.",
  }),
  subscriberBufferBytes: setting("subscriber-buffer-bytes", "limits", {
    kind: size(MiB, 4 * GiB),
    default: "32MiB",
    doc: "A subscriber that has this much unread is disconnected, as Redis does it. It counts what the sidecar holds, not what the kernel does.",
  }),
  pauseBytes: setting("pause-bytes", "limits", {
    kind: size(16 * KiB, GiB),
    default: "1MiB",
    doc: "Unsent bytes at which a connection is no longer read until its other side has caught up.",
  }),
  collapseBytes: setting("collapse-bytes", "limits", {
    kind: size(16 * KiB, 4 * GiB),
    default: "8MiB",
    doc: "For a subscriber that has this much unread, newer frames of a cumulative stream replace older ones. At most half of the subscriber buffer.",
  }),

  scripts: setting("scripts", "limits", {
    kind: count(0, 100_000),
    default: "256",
    doc: "Most script bodies remembered: an EVAL whose body came before goes to the server as EVALSHA. 0 sends every EVAL as it is.",
  }),
  scriptBytes: setting("script-bytes", "limits", {
    kind: size(KiB, GiB),
    default: "1MiB",
    doc: "Most bytes of remembered script bodies.",
  }),

  requestTimeoutMs: setting("request-timeout", "time limits", {
    kind: duration(SECOND, HOUR),
    default: "1m",
    doc: "A connection that is silent for this long in the middle of a command is closed.",
  }),
  dialTimeoutMs: setting("dial-timeout", "time limits", {
    kind: duration(100, MINUTE),
    default: "5s",
    doc: "Longest wait for a connection to the upstream, all attempts and the search for the master included; then a command that waits for it gets its error.",
  }),
  canaryMs: setting("canary", "time limits", {
    kind: duration(50, 5 * MINUTE),
    default: "2s",
    doc: "Interval of the sidecar's canaries: messages to itself through the upstream, which prove that it hears.",
  }),
  canaryTimeoutMs: setting("canary-timeout", "time limits", {
    kind: duration(50, 5 * MINUTE),
    default: "5s",
    doc: "A canary that has not come back by then means deafness: not ready, and both connections are made anew.",
  }),
  halfCloseMs: setting("half-close", "time limits", {
    kind: duration(100, 5 * MINUTE),
    default: "5s",
    doc: "When one side has ended a connection, the other has this long to finish.",
  }),
  drainTimeoutMs: setting("drain-timeout", "time limits", {
    kind: duration(0, HOUR),
    default: "10s",
    doc: "After SIGTERM, running commands and queued frames have this long. Keep it below the pod's grace period.",
  }),

  logLevel: setting("log-level", "log", {
    kind: choice(logLevels),
    default: "info",
    doc: "Least severe log lines to write.",
  }),
};

export type Table = typeof table;
export type SettingKey = keyof Table;
export type ValueOf<K extends SettingKey> = ValueIn<Table[K]>;

export const settings: readonly Setting[] = Object.values(table) as readonly Setting[];
