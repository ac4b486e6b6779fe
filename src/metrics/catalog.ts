/**
 * Every metric the sidecar exports, in one table: the names and labels are an interface for dashboards and alerts.
 * `in` is from the app to the wire, `out` from the wire to the apps. Label values are closed sets, so a label can
 * never carry a channel, a user or an address.
 */

export interface MetricSpec {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Label names with all values they can have. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  /** Upper bounds, ascending; histograms only. */
  readonly buckets: readonly number[];
}

type LabelSets = Readonly<Record<string, readonly string[]>>;

const spec =
  (type: "counter" | "gauge") =>
  (help: string, labels: LabelSets = {}): MetricSpec => ({ type, help, labels, buckets: [] });
const counter = spec("counter");
const gauge = spec("gauge");
const histogram = (help: string, buckets: readonly number[]): MetricSpec => ({
  type: "histogram",
  help,
  labels: {},
  buckets,
});

const side = ["sender", "receiver"] as const;
const latency = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

export const catalog = {
  keyframe_frames_total: counter(
    "Frames by direction and by the form in which they crossed the wire; silent: nobody else listened; local: from the same pod.",
    {
      direction: ["in", "out"],
      kind: ["keyframe", "delta", "raw", "silent", "local"],
    },
  ),
  keyframe_app_bytes_total: counter(
    "Payload bytes of frames as apps published them and as apps got them, once a frame.",
    {
      direction: ["sent", "delivered"],
    },
  ),
  keyframe_wire_bytes_total: counter("Payload bytes that the same frames took on the server, side messages and raw.", {
    direction: ["sent", "received"],
  }),
  keyframe_resyncs_total: counter("Frames that could not be rebuilt at once, so that a keyframe was asked for.", {
    reason: ["unknown_instance", "missing_base", "gap", "checksum", "malformed", "version"],
  }),
  keyframe_repairs_total: counter("Bases that were sent again on request.", { direction: ["sent", "received"] }),
  keyframe_undelivered_frames_total: counter("Frames that did not reach the apps.", {
    reason: [
      "hold_timeout",
      "hold_full",
      "superseded",
      "gone",
      "gap",
      "damaged",
      "upstream_lost",
      "denied",
      "queue_full",
      "queue_timeout",
      "slow_reader",
      "chunk_lost",
      "chunk_timeout",
      "chunks_full",
      "too_large",
    ],
  }),
  keyframe_skipped_frames_total: counter("Frames for users without a session in this pod, passed over."),
  keyframe_rooms: gauge("Users that have sessions in this pod."),
  keyframe_rooms_known: gauge("Whether frames for other users are passed over (1), or all are taken (0)."),
  keyframe_repeats_dropped_total: counter("Records that had arrived before and were dropped."),
  keyframe_refused_batches_total: counter("Batches that went raw because not every subscriber is known to rebuild.", {
    reason: ["mixed_fleet", "patterns", "script_denied", "unreachable"],
  }),
  keyframe_large_frames_total: counter("Frames and bases that were sent in chunks, by how that ended.", {
    outcome: ["sent", "unheard", "interrupted"],
  }),
  keyframe_large_frame_seconds: histogram(
    "From the beginning of a large frame to the credit of all its readers.",
    latency,
  ),
  keyframe_large_bytes: gauge("Bytes of large frames that are being sent, or are not whole yet.", { side }),
  keyframe_large_silent_readers_total: counter(
    "Readers of a large frame that confirmed nothing for too long; it went on without them.",
  ),
  keyframe_large_raw_frames_total: counter("Large frames that had to go raw, or were refused for their size.", {
    action: ["passed", "refused"],
  }),
  keyframe_unnamed_frames_total: counter("Frames on a frame channel that no dialect could name; they go raw.", {
    reason: ["dialect"],
  }),
  keyframe_streams: gauge("Growing messages remembered.", { side }),
  keyframe_stream_bytes: gauge("Bytes of remembered frames.", { side }),
  keyframe_stream_evictions_total: counter("Growing messages forgotten.", { side, reason: ["idle", "count", "bytes"] }),
  keyframe_held_frames: gauge("Frames that wait for a keyframe."),
  keyframe_held_bytes: gauge("Bytes of frames that wait for a keyframe."),
  keyframe_queue_frames: gauge("Frames that wait to be sent."),
  keyframe_queue_bytes: gauge("Bytes of frames that wait to be sent."),
  keyframe_flush_frames: histogram("Frames in one batch.", [1, 2, 4, 8, 16, 32, 64]),
  keyframe_flush_bytes: histogram(
    "Payload bytes in one batch.",
    [256, 1024, 4096, 16_384, 65_536, 131_072, 1_048_576, 16_777_216],
  ),
  keyframe_publish_wait_seconds: histogram("From reading a PUBLISH to the server's answer to its batch.", latency),
  keyframe_added_latency_seconds: histogram("From reading a PUBLISH to writing its batch.", latency),
  keyframe_upstream_connected: gauge("1 while that connection of the sidecar's own is up.", {
    connection: ["publisher", "subscriber"],
  }),
  keyframe_upstream_reconnects_total: counter("Times that connection of the sidecar's own was made again.", {
    connection: ["publisher", "subscriber"],
  }),
  keyframe_canary_age_seconds: gauge("Time since the sidecar last heard its own canary through the server."),
  keyframe_canary_failures_total: counter(
    "Canaries that did not come back as they should; the connections were made anew.",
    {
      reason: ["unheard", "unsubscribed", "demoted"],
    },
  ),
  keyframe_sentinels: gauge("Sentinels that are asked, and those of them that are being heard.", {
    state: ["known", "connected"],
  }),
  keyframe_sentinel_timeouts_total: counter("Questions that a sentinel did not answer in time."),
  keyframe_master_switches_total: counter("Times the master was found to be another one."),
  keyframe_master_refusals_total: counter("Times the master that sentinels named was not used.", {
    reason: ["not_master", "loading", "unreachable", "minority", "split", "stale"],
  }),
  keyframe_subscriptions: gauge("Upstream subscriptions that apps rely on.", { state: ["confirmed", "pending"] }),
  keyframe_ready: gauge("1 while /readyz says ready."),
  keyframe_connections: gauge("Connections of apps."),
  keyframe_unread_bytes: gauge("Bytes that wait for apps to read them."),
  keyframe_connections_total: counter("Connections of apps that were accepted."),
  keyframe_connections_closed_total: counter("Connections of apps that ended, by who or what ended them.", {
    reason: ["app", "upstream", "protocol", "limit", "slow", "timeout", "refused", "shutdown", "error"],
  }),
  keyframe_limit_hits_total: counter("Times a limit was reached, by the configuration's name for it.", {
    limit: [
      "maxBulkBytes",
      "maxDepth",
      "maxArgs",
      "maxLineBytes",
      "maxRequestBytes",
      "maxConnections",
      "requestTimeoutMs",
      "queueBytes",
      "queueWaitMs",
      "rawMaxBytes",
      "largeBufferBytes",
      "streams",
      "streamBytes",
      "holdMs",
      "holdBytes",
      "subscriberBufferBytes",
      "collapseBytes",
      "scripts",
      "scriptBytes",
      "rooms",
      "roomWaitMs",
      "dialTimeoutMs",
      "drainTimeoutMs",
      "halfCloseMs",
    ],
  }),
  keyframe_commands_total: counter("Commands of apps by the plane that served them.", {
    plane: ["pass", "publish", "broker"],
  }),
  keyframe_script_calls_total: counter("EVALs of apps by what was sent for them: the script's SHA-1, or all of it.", {
    form: ["sha", "whole"],
  }),
  keyframe_script_fallbacks_total: counter("EVALs sent by SHA-1 that had to be sent whole after all.", {
    reason: ["unknown", "denied"],
  }),
  keyframe_script_saved_bytes_total: counter("Bytes that EVALs sent by SHA-1 were shorter."),
  keyframe_scripts: gauge("Script bodies remembered."),
  keyframe_script_bytes: gauge("Bytes of remembered script bodies."),
  keyframe_local_subscribers: gauge("Connections of apps that are subscribed to frame channels."),
  keyframe_latched_connections_total: counter("Connections that were set to pass everything through for good.", {
    reason: ["client_reply", "monitor", "multi_subscribe", "identity", "replication"],
  }),
  keyframe_event_loop_lag_seconds: gauge("How late the event loop ran its timers since the last scrape.", {
    percentile: ["50", "99"],
  }),
} as const satisfies Readonly<Record<string, MetricSpec>>;

export type MetricName = keyof typeof catalog;
