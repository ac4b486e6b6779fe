/** Plots of the fleet's scenes. Pure. */

import type { LegSummary, Way } from "../fleet/figures.js";
import type { GrowthResult } from "../fleet/growth.js";
import type { LoadResult, LoadSetting } from "../fleet/load.js";
import type { LoadPoint } from "../fleet/turns.js";
import type { Spread } from "../statistics.js";
import type { NamedPlot } from "./section.js";
import type { Series } from "./svg.js";

function series(
  points: readonly LoadPoint[],
  name: string,
  way: Way,
  x: (point: LoadPoint) => number,
  figure: (leg: LegSummary) => Spread | null,
  dashed = false,
): Series {
  return { name, dashed, points: points.map((point) => [x(point), figure(point[way])?.median ?? Number.NaN] as const) };
}

const chats = ({ streams }: LoadPoint) => streams;

function cpu({ pods, workersPerPod, points, workers }: LoadSetting): NamedPlot {
  const of = (name: string, way: Way, figure: (leg: LegSummary) => Spread | null, dashed = false) =>
    series(points, name, way, chats, figure, dashed);
  return {
    name: `load-${pods}x${workersPerPod}${workers === "light" ? "" : "-python"}`,
    plot: {
      title: `Cores in use, ${pods} pods × ${workersPerPod} ${workers} workers, 50 tokens a second a chat`,
      x: "chats",
      y: "cores",
      xLog: true,
      yLog: true,
      series: [
        of("server, direct", "direct", (leg) => leg.serverCores),
        of("server, sidecars", "sidecar", (leg) => leg.serverCores),
        of("all, direct", "direct", (leg) => leg.totalCores, true),
        of("all, with sidecars", "sidecar", (leg) => leg.totalCores, true),
      ],
    },
  };
}

/** Plots of `load`: cores by chats. */
export function load({ settings }: LoadResult): NamedPlot[] {
  return settings.map(cpu);
}

/** Plots of `growth`: the server's work by pods and by chats. */
export function growth({ pods, streams }: GrowthResult): NamedPlot[] {
  const pair = (points: readonly LoadPoint[], x: (point: LoadPoint) => number) => [
    series(points, "server, direct", "direct", x, (leg) => leg.serverUsPerPublished),
    series(points, "server, sidecars", "sidecar", x, (leg) => leg.serverUsPerPublished),
    series(points, "a sidecar, a frame", "sidecar", x, (leg) => leg.sidecarUsPerFrame, true),
  ];
  const podsOf = new Map<LoadPoint, number>(pods.map((point) => [point, point.pods]));
  const y = "CPU µs a published frame";
  return [
    {
      name: "growth-pods",
      plot: {
        title: "Growth by pods",
        x: "pods",
        y,
        xLog: true,
        yLog: true,
        series: pair(pods, (point) => podsOf.get(point)!),
      },
    },
    {
      name: "growth-streams",
      plot: { title: "Growth by chats", x: "chats", y, xLog: true, series: pair(streams, chats) },
    },
  ];
}
