/** Tables of the fleet's scenes. Pure. */
import type { BytesResult } from "../fleet/bytes.js";
import type { LegSummary, Way } from "../fleet/figures.js";
import type { GrowthResult } from "../fleet/growth.js";
import type { IdleCase, IdleWorkersResult } from "../fleet/idle-workers.js";
import type { LoadResult, LoadSetting } from "../fleet/load.js";
import type { MemoryResult } from "../fleet/memory.js";
import type { LoadPoint } from "../fleet/turns.js";
import type { Spread } from "../statistics.js";
import { bytes, number, spreadText, times } from "./markdown.js";
import type { Table } from "./section.js";

const WAYS: readonly Way[] = ["direct", "sidecar"];

const show = (value: Spread | null, decimals: number) => spreadText(value ?? undefined, decimals);
const middle = (value: Spread | null, decimals: number) => number(value?.median, decimals);
const less = (value: Spread | null) => (value === null ? "" : `${show(value, value.median < 10 ? 2 : 1)} x`);

/** What each setting is called. */
function settingName({ pods, workersPerPod, workers }: LoadSetting): string {
  return `${pods} pods × ${workersPerPod} ${workers === "light" ? "light" : "python-socketio"} worker${workersPerPod === 1 ? "" : "s"}`;
}

function key({ pods, workersPerPod, workers }: LoadSetting): string {
  return `${pods}x${workersPerPod}${workers === "light" ? "" : "-python"}`;
}

function costs(setting: LoadSetting, kind = "", where = ""): Table {
  const remark = ({ saturated, dropped, noisy }: LegSummary) =>
    [
      ...saturated.map((what) => `${what} full`),
      ...(dropped > 0 ? [`${dropped} dropped`] : []),
      ...(noisy ? ["noisy"] : []),
    ].join(", ");
  return {
    name: `load-${key(setting)}${kind}`,
    title: `Load: ${settingName(setting)}${where}`,
    head: [
      ...[
        "way",
        "chats",
        "frames/s",
        "server µs/frame",
        "server µs/delivery",
        "sidecar µs/frame",
        "cores: server",
        "sidecars",
      ],
      ...["workers", "all", "less server CPU", "less CPU in all", "remark"],
    ],
    rows: setting.points.flatMap((point) =>
      WAYS.map((way) => {
        const leg = point[way];
        const ours = way === "sidecar";
        return [
          way,
          number(leg.streams),
          middle(leg.publishedPerSecond, 0),
          show(leg.serverUsPerPublished, 1),
          middle(leg.serverUsPerDelivered, 2),
          ours ? middle(leg.sidecarUsPerFrame, 1) : "",
          middle(leg.serverCores, 3),
          ours ? middle(leg.sidecarCores, 3) : "",
          middle(leg.workerCores, 3),
          middle(leg.totalCores, 3),
          ours ? less(point.serverTimesLess) : "",
          ours ? less(point.totalTimesLess) : "",
          remark(leg),
        ];
      }),
    ),
  };
}

function latency(settings: readonly LoadSetting[]): Table {
  return {
    name: "load-latency",
    title: "Load: milliseconds from PUBLISH to a worker of another pod, and memory",
    head: [
      ...[
        "pods and workers",
        "way",
        "chats",
        "p50",
        "p99",
        "p99.9",
        "added p50",
        "added p99",
        "published late, p50",
        "p99",
      ],
      "sidecar MiB",
    ],
    words: 2,
    rows: settings.flatMap((setting) =>
      setting.points.flatMap((point) =>
        WAYS.map((way) => {
          const leg = point[way];
          const ours = way === "sidecar";
          return [
            settingName(setting),
            way,
            number(leg.streams),
            show(leg.latencyP50Ms, 2),
            show(leg.latencyP99Ms, 1),
            middle(leg.latencyP999Ms, 1),
            ours ? number(point.addedP50Ms ?? undefined, 2) : "",
            ours ? number(point.addedP99Ms ?? undefined, 1) : "",
            middle(leg.latenessP50Ms, 2),
            middle(leg.latenessP99Ms, 1),
            ours ? middle(leg.sidecarRssMiB, 0) : "",
          ];
        }),
      ),
    ),
  };
}

function idleOf(settings: readonly LoadSetting[]): Table {
  return {
    name: "load-idle",
    title: "Load: cores in use while nobody publishes",
    head: ["pods and workers", "way", "server", "all sidecars"],
    words: 2,
    rows: settings.flatMap((setting) =>
      setting.idle.map(({ way, serverCores, sidecarCores }) => [
        settingName(setting),
        way,
        number(serverCores, 4),
        way === "direct" ? "" : number(sidecarCores, 4),
      ]),
    ),
  };
}

function limitsOf(settings: readonly LoadSetting[]): Table {
  return {
    name: "load-limits",
    title: "Load: where each way gives out",
    head: ["pods and workers", "way", "chats", "frames/s", "full"],
    words: 2,
    rows: settings.flatMap((setting) =>
      setting.limits.map(({ way, streams, framesPerSecond, full }) => [
        settingName(setting),
        way,
        number(streams),
        number(framesPerSecond),
        full ?? "nothing",
      ]),
    ),
  };
}

/** Tables of `load`. */
export function load({ settings, known, elsewhere, oneWay, notes }: LoadResult): Table[] {
  const single: Table = {
    name: "load-one-way",
    title: "Load: one pod publishes, one listens; CPU of a sidecar for a frame",
    head: ["frame", "chats", "frames/s", "sent, µs", "received, µs"],
    rows: oneWay.map((one) => [
      bytes(one.meanFrameBytes),
      number(one.streams),
      middle(one.framesPerSecond, 0),
      show(one.sentUs, 1),
      show(one.receivedUs, 1),
    ]),
    notes: [sentences(notes)],
  };
  const costsOf = [
    ...settings.map((setting) => costs(setting)),
    costs(known, "-known", ", every user's sockets at the pod that publishes for it, and in its session pool"),
    costs(elsewhere, "-elsewhere", ", every socket at another pod than the one that publishes for it"),
  ];
  return [...costsOf, idleOf(settings), limitsOf(settings), latency(settings), single].filter(
    ({ rows }) => rows.length > 0,
  );
}

function sentences(notes: readonly string[]): string {
  return notes.map((note) => `${note[0]?.toUpperCase()}${note.slice(1)}.`).join(" ");
}

/** Table of `idle-workers`. */
export function idleWorkers(result: IdleWorkersResult): Table[] {
  const { elsewhere, streams, notes } = result;
  const cases: [string, IdleCase][] = [
    ["at that pod", result],
    ["at a third pod", elsewhere],
  ];
  const shares = cases.map(
    ([where, one]) =>
      `sockets ${where}: the idle worker ${show(one.workerShare, 2)}, with its sidecar ${show(one.podShare, 2)}`,
  );
  return [
    {
      name: "idle-workers",
      title: `CPU of a pod for ${streams} chats of another pod, none of them its users', µs a frame published`,
      head: [
        "sockets",
        "way",
        "frames/s",
        "decoded",
        "idle worker",
        "its sidecar",
        "publishing pod's worker",
        "server",
      ],
      words: 2,
      rows: cases.flatMap(([where, { ways }]) =>
        ways.map((one) => [
          where,
          one.way,
          middle(one.framesPerSecond, 0),
          `${number(one.decodedShare * 100, 1)} %`,
          show(one.idleWorkerUs, 1),
          one.way === "direct" ? "" : show(one.idleSidecarUs, 1),
          show(one.busyWorkerUs, 1),
          show(one.serverUs, 1),
        ]),
      ),
      notes: [`With sidecars as a share of direct, ${shares.join("; ")}. ${sentences(notes)}`],
    },
  ];
}

/** Table of `bytes`. */
export function bytesTables({ rows, notes, streamsPerPod, tokens }: BytesResult): Table[] {
  return [
    {
      name: "bytes",
      title: `Bytes of the server for a published frame, ${streamsPerPod} chats a pod, answers of ${number(tokens)} tokens`,
      head: [
        ...[
          "release",
          "sockets",
          "pods",
          "frame",
          "in, direct",
          "sidecars",
          "fewer",
          "out, direct",
          "sidecars",
          "fewer",
          "both, fewer",
        ],
      ],
      words: 2,
      rows: rows.map((row) => [
        row.shape,
        row.sockets,
        String(row.pods),
        bytes(row.meanFrameBytes),
        bytes(Math.round(row.in.direct)),
        bytes(row.in.sidecar),
        times(row.in.timesLess),
        bytes(Math.round(row.out.direct)),
        bytes(row.out.sidecar),
        times(row.out.timesLess),
        times(row.both.timesLess),
      ]),
      notes: [
        `_Sticky_: a user's sockets are at the pod that publishes for the user; _elsewhere_: at another. ${sentences(notes)}`,
      ],
    },
  ];
}

function costOf(point: LoadPoint, way: Way): string[] {
  const leg = point[way];
  return [show(leg.serverUsPerPublished, 1), way === "sidecar" ? middle(leg.sidecarUsPerFrame, 1) : ""];
}

/** Tables of `growth`. */
export function growth(result: GrowthResult): Table[] {
  const { pods, streams, serverUsPerPod, podsStreams, framesPerSecondAtMost, notes } = result;
  return [
    {
      name: "growth-pods",
      title: `Growth by pods, ${podsStreams} chats in all: CPU µs a published frame`,
      head: ["pods", "of them simulated", "server, direct", "server, sidecars", "less", "a real sidecar, a frame"],
      rows: pods.map((point) => [
        String(point.pods),
        String(point.simulated),
        costOf(point, "direct")[0],
        ...[costOf(point, "sidecar")[0], less(point.serverTimesLess), costOf(point, "sidecar")[1]],
      ]),
      notes: [
        `One more pod costs the server ${number(serverUsPerPod.direct, 2)} µs a frame direct, ${number(serverUsPerPod.sidecar, 2)} µs with ` +
          `sidecars. ${sentences(notes)}`,
      ],
    },
    {
      name: "growth-streams",
      title: `Growth by chats at ${number(framesPerSecondAtMost)} frames a second at most, two pods: CPU µs a published frame`,
      head: ["chats", "server, direct", "server, sidecars", "less", "a sidecar, a frame", "its RSS, MiB"],
      rows: streams.map((point) => [
        number(point.streams),
        costOf(point, "direct")[0],
        ...[costOf(point, "sidecar")[0], less(point.serverTimesLess), costOf(point, "sidecar")[1]],
        middle(point.sidecar.sidecarRssMiB, 0),
      ]),
    },
  ];
}

/** Table of `memory`. */
export function memory({ points, flat, notes }: MemoryResult): Table[] {
  return [
    {
      name: "memory",
      title: "RSS of sidecars with streams of 32 KB, MiB",
      head: ["streams", "sender", "receiver", "remembered by the sender", "by the receiver"],
      words: 0,
      rows: points.map(({ streams, rssMiB, remembered }) => [
        number(streams),
        number(rssMiB.sender),
        number(rssMiB.receiver),
        number(remembered.sender),
        number(remembered.receiver),
      ]),
      notes: [
        `Over ${number(flat.frames)} frames in ${number(flat.seconds)} s both sidecars together took ${number(flat.secondQuarterMiB, 1)} MiB in ` +
          `the second quarter and ${number(flat.lastQuarterMiB, 1)} MiB in the last. ${sentences(notes)}`,
      ],
    },
  ];
}
