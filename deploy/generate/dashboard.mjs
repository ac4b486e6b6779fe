/**
 * The Grafana dashboard, from a list of rows and panels over the metrics of src/metrics/catalog.ts. Written here rather
 * than exported, so that a change is a line and its diff can be read.
 */

const selector = 'namespace=~"$namespace", pod=~"$pod"';
const rate = (metric, labels = "") => `rate(${metric}{${selector}${labels && `, ${labels}`}}[$__rate_interval])`;
const sum = (metric, by, labels) => `sum${by ? ` by (${by})` : ""} (${rate(metric, labels)})`;
const now = (metric, labels = "") => `${metric}{${selector}${labels && `, ${labels}`}}`;
const quantile = (q, metric) => `histogram_quantile(${q}, sum by (le) (${rate(`${metric}_bucket`)}))`;

/** Panels of a row: [title, kind, unit, [[legend, expression]…], what it says]. */
const rows = {
  "What it saves": [
    [
      "Times fewer bytes",
      "stat",
      "x",
      [
        [
          "ratio",
          `${sum("keyframe_app_bytes_total", "", 'direction="sent"')} / ${sum("keyframe_wire_bytes_total", "", 'direction="sent"')}`,
        ],
      ],
      "What apps published, by what it took on the server.",
    ],
    [
      "Saved",
      "stat",
      "Bps",
      [
        [
          "saved",
          `${sum("keyframe_app_bytes_total", "", 'direction="sent"')} - ${sum("keyframe_wire_bytes_total", "", 'direction="sent"')}`,
        ],
      ],
      "Bytes a second that the server did not have to take.",
    ],
    [
      "Pods ready",
      "stat",
      "short",
      [
        ["ready", `sum(${now("keyframe_ready")})`],
        ["of", `count(${now("keyframe_ready")})`],
      ],
      "A pod that is not ready does not hear, or cannot publish.",
    ],
    [
      "Frames lost",
      "stat",
      "short",
      [
        [
          "lost",
          `sum(increase(keyframe_undelivered_frames_total{${selector}, reason!~"superseded|slow_reader"}[$__range]))`,
        ],
      ],
      "In the time shown; without those that a newer frame of their message replaced.",
    ],
    [
      "Bytes published and on the wire",
      "timeseries",
      "Bps",
      [
        ["apps published", sum("keyframe_app_bytes_total", "", 'direction="sent"')],
        ["on the wire", sum("keyframe_wire_bytes_total", "", 'direction="sent"')],
        ["apps got", sum("keyframe_app_bytes_total", "", 'direction="delivered"')],
        ["from the wire", sum("keyframe_wire_bytes_total", "", 'direction="received"')],
      ],
      "",
    ],
    [
      "Frames sent, by form",
      "timeseries",
      "ops",
      [["{{kind}}", sum("keyframe_frames_total", "kind", 'direction="in"')]],
      "Raw frames go where somebody could not rebuild them.",
    ],
    [
      "Why frames go raw",
      "timeseries",
      "ops",
      [
        ["{{reason}}", sum("keyframe_refused_batches_total", "reason")],
        ["no dialect", sum("keyframe_unnamed_frames_total", "")],
      ],
      "Batches refused, by reason.",
    ],
    [
      "Frames for users of other pods",
      "timeseries",
      "ops",
      [["passed over", sum("keyframe_skipped_frames_total", "")]],
      "Frames for users without a session in the pod, which its apps need not read.",
    ],
  ],
  Delay: [
    [
      "From PUBLISH to the batch",
      "timeseries",
      "s",
      [
        ["p50", quantile(0.5, "keyframe_added_latency_seconds")],
        ["p99", quantile(0.99, "keyframe_added_latency_seconds")],
      ],
      "What the sidecar adds.",
    ],
    [
      "From PUBLISH to the server's answer",
      "timeseries",
      "s",
      [
        ["p50", quantile(0.5, "keyframe_publish_wait_seconds")],
        ["p99", quantile(0.99, "keyframe_publish_wait_seconds")],
      ],
      "With the way to the server and back.",
    ],
    [
      "Event loop",
      "timeseries",
      "s",
      [["{{pod}}", now("keyframe_event_loop_lag_seconds", 'percentile="99"')]],
      "Above 20 ms the sidecar wants more CPU.",
    ],
    [
      "Batches",
      "timeseries",
      "short",
      [
        ["frames, p50", quantile(0.5, "keyframe_flush_frames")],
        ["frames, p99", quantile(0.99, "keyframe_flush_frames")],
      ],
      "Frames that travel together.",
    ],
    ["Batch size", "timeseries", "bytes", [["p99", quantile(0.99, "keyframe_flush_bytes")]], ""],
  ],
  Health: [
    [
      "Not delivered",
      "timeseries",
      "ops",
      [["{{reason}}", sum("keyframe_undelivered_frames_total", "reason")]],
      "The reasons are in docs/OPERATIONS.md.",
    ],
    [
      "Resyncs and repairs",
      "timeseries",
      "ops",
      [
        ["resync: {{reason}}", sum("keyframe_resyncs_total", "reason")],
        ["repair {{direction}}", sum("keyframe_repairs_total", "direction")],
        ["repeats dropped", sum("keyframe_repeats_dropped_total", "")],
      ],
      "",
    ],
    [
      "Own connections",
      "timeseries",
      "short",
      [
        ["{{pod}} {{connection}}", now("keyframe_upstream_connected")],
        [
          "reconnects {{connection}}",
          `sum by (connection) (increase(keyframe_upstream_reconnects_total{${selector}}[5m]))`,
        ],
      ],
      "",
    ],
    [
      "Canary",
      "timeseries",
      "s",
      [
        ["{{pod}}", now("keyframe_canary_age_seconds")],
        ["failed: {{reason}}", sum("keyframe_canary_failures_total", "reason")],
      ],
      "Age of the last message of its own that came back.",
    ],
    [
      "Sentinel",
      "timeseries",
      "short",
      [
        ["{{state}}", `min by (state) (${now("keyframe_sentinels")})`],
        ["switches", `sum(increase(keyframe_master_switches_total{${selector}}[5m]))`],
        ["refused: {{reason}}", `sum by (reason) (increase(keyframe_master_refusals_total{${selector}}[5m]))`],
        ["timeouts", `sum(increase(keyframe_sentinel_timeouts_total{${selector}}[5m]))`],
      ],
      "",
    ],
    [
      "Large frames",
      "timeseries",
      "ops",
      [
        ["{{outcome}}", sum("keyframe_large_frames_total", "outcome")],
        ["raw, {{action}}", sum("keyframe_large_raw_frames_total", "action")],
        ["silent readers", sum("keyframe_large_silent_readers_total", "")],
      ],
      "Frames over 1 MiB travel in chunks; refused are those over KEYFRAME_RAW_MAX_BYTES for pods without a sidecar.",
    ],
    [
      "Time of a large frame",
      "timeseries",
      "s",
      [
        ["p50", quantile(0.5, "keyframe_large_frame_seconds")],
        ["p99", quantile(0.99, "keyframe_large_frame_seconds")],
      ],
      "Until the slowest of its readers has it.",
    ],
    [
      "Large frames under way",
      "timeseries",
      "bytes",
      [["{{side}}", `sum by (side) (${now("keyframe_large_bytes")})`]],
      "",
    ],
    [
      "Limits reached",
      "timeseries",
      "short",
      [["{{limit}}", `sum by (limit) (increase(keyframe_limit_hits_total{${selector}}[5m]))`]],
      "The label is the setting's name.",
    ],
  ],
  "Apps and memory": [
    [
      "Connections",
      "timeseries",
      "short",
      [
        ["open", `sum(${now("keyframe_connections")})`],
        ["subscribed", `sum(${now("keyframe_local_subscribers")})`],
        ["opened a second", sum("keyframe_connections_total", "")],
      ],
      "",
    ],
    [
      "Connections closed",
      "timeseries",
      "ops",
      [
        ["{{reason}}", sum("keyframe_connections_closed_total", "reason")],
        ["latched: {{reason}}", sum("keyframe_latched_connections_total", "reason")],
      ],
      "",
    ],
    [
      "Users",
      "timeseries",
      "short",
      [
        ["{{pod}}", now("keyframe_rooms")],
        ["pods that know theirs", `sum(${now("keyframe_rooms_known")})`],
      ],
      "Users with sessions in the pod. A pod that does not know its users takes the frames of all.",
    ],
    ["Commands, by plane", "timeseries", "ops", [["{{plane}}", sum("keyframe_commands_total", "plane")]], ""],
    [
      "Scripts",
      "timeseries",
      "ops",
      [
        ["sent by {{form}}", sum("keyframe_script_calls_total", "form")],
        ["sent again: {{reason}}", sum("keyframe_script_fallbacks_total", "reason")],
        ["remembered", `sum(${now("keyframe_scripts")})`],
      ],
      "EVALs whose body the server knows go as their SHA-1.",
    ],
    [
      "Script bytes",
      "timeseries",
      "bytes",
      [
        ["saved a second", sum("keyframe_script_saved_bytes_total", "")],
        ["remembered", `sum(${now("keyframe_script_bytes")})`],
      ],
      "",
    ],
    [
      "Upstream subscriptions",
      "timeseries",
      "short",
      [["{{state}}", `sum by (state) (${now("keyframe_subscriptions")})`]],
      "Pending for long means that the pod does not hear.",
    ],
    [
      "Bytes kept",
      "timeseries",
      "bytes",
      [
        ["streams, {{side}}", `sum by (side) (${now("keyframe_stream_bytes")})`],
        ["held", `sum(${now("keyframe_held_bytes")})`],
        ["queued", `sum(${now("keyframe_queue_bytes")})`],
        ["unread by apps", `sum(${now("keyframe_unread_bytes")})`],
      ],
      "",
    ],
    [
      "Streams and waiting frames",
      "timeseries",
      "short",
      [
        ["streams, {{side}}", `sum by (side) (${now("keyframe_streams")})`],
        ["held", `sum(${now("keyframe_held_frames")})`],
        ["queued", `sum(${now("keyframe_queue_frames")})`],
        ["forgotten: {{reason}}", sum("keyframe_stream_evictions_total", "reason")],
      ],
      "",
    ],
    [
      "Process memory",
      "timeseries",
      "bytes",
      [["{{pod}}", `process_resident_memory_bytes{${selector}} and on (namespace, pod) keyframe_ready`]],
      "",
    ],
  ],
  Injector: [
    [
      "Pods asked about",
      "timeseries",
      "short",
      [["{{reason}}", "sum by (reason) (increase(keyframe_injector_reviews_total[5m]))"]],
      "By what became of them, in five minutes.",
    ],
    [
      "Time for an answer",
      "timeseries",
      "s",
      [
        [
          "p99",
          "histogram_quantile(0.99, sum by (le) (rate(keyframe_injector_review_seconds_bucket[$__rate_interval])))",
        ],
      ],
      "The API server gives up after webhook.timeoutSeconds.",
    ],
    [
      "Certificate ends in",
      "stat",
      "s",
      [["{{pod}}", "min(keyframe_injector_certificate_expiry_seconds) - time()"]],
      "",
    ],
    [
      "Worth knowing",
      "timeseries",
      "short",
      [
        ["{{note}}", "sum by (note) (increase(keyframe_injector_notes_total[5m]))"],
        ["handshakes failed", "sum(increase(keyframe_injector_tls_errors_total[5m]))"],
      ],
      "Notes on pods that were given a sidecar.",
    ],
  ],
};

const datasource = { type: "prometheus", uid: "$datasource" };

function panel([title, type, unit, targets, description], id, gridPos) {
  return {
    id,
    title,
    type,
    description,
    datasource,
    gridPos,
    fieldConfig: {
      defaults: {
        unit,
        min: type === "timeseries" ? 0 : undefined,
        custom: type === "timeseries" ? { fillOpacity: 8 } : {},
      },
      overrides: [],
    },
    options:
      type === "timeseries"
        ? { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } }
        : { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value" },
    targets: targets.map(([legendFormat, expr], index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr,
      legendFormat,
    })),
  };
}

function variable(name, label, query) {
  return {
    name,
    label,
    type: "query",
    datasource,
    query: { query, refId: name },
    definition: query,
    includeAll: true,
    allValue: ".*",
    multi: true,
    refresh: 2,
    current: { text: "All", value: "$__all" },
  };
}

/** The dashboard as JSON text. */
export function dashboard() {
  const panels = [];
  let id = 0;
  let y = 0;
  for (const [title, list] of Object.entries(rows)) {
    panels.push({ id: ++id, type: "row", title, collapsed: false, panels: [], gridPos: { x: 0, y: y++, w: 24, h: 1 } });
    let x = 0;
    let height = 0;
    for (const entry of list) {
      const [w, h] = entry[1] === "stat" ? [6, 4] : [8, 8];
      if (x + w > 24) {
        x = 0;
        y += height;
      }
      height = h;
      panels.push(panel(entry, ++id, { x, y, w, h }));
      x += w;
    }
    y += height;
  }
  const board = {
    uid: "keyframe",
    title: "keyframe",
    tags: ["keyframe", "open-webui"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    timezone: "",
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    graphTooltip: 1,
    templating: {
      list: [
        { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", current: {} },
        variable("namespace", "Namespace", "label_values(keyframe_ready, namespace)"),
        variable("pod", "Pod", 'label_values(keyframe_ready{namespace=~"$namespace"}, pod)'),
      ],
    },
    annotations: { list: [] },
    links: [],
    panels,
  };
  return `${JSON.stringify(board, undefined, 2)}\n`;
}
