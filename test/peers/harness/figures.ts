/** What a scenario cost: bytes at the server, which no sidecar counts for itself, and the sidecars' own counters. */
import type { Server } from "../../support/server.js";
import { type Sidecar, sumSamples } from "../../support/sidecar.js";

export interface Figures {
  /** Bytes that all clients of the server have sent to it, and it to them. */
  serverIn: number;
  serverOut: number;
  /** Sums over both sidecars; 0 without them. */
  appSent: number;
  wireSent: number;
  appDelivered: number;
  wireReceived: number;
  framesIn: number;
  deltasIn: number;
  rawIn: number;
  deltasOut: number;
  undelivered: number;
  superseded: number;
  resyncs: number;
  unnamed: number;
}

const counters: Record<Exclude<keyof Figures, "serverIn" | "serverOut">, [string, Record<string, string>]> = {
  appSent: ["keyframe_app_bytes_total", { direction: "sent" }],
  wireSent: ["keyframe_wire_bytes_total", { direction: "sent" }],
  appDelivered: ["keyframe_app_bytes_total", { direction: "delivered" }],
  wireReceived: ["keyframe_wire_bytes_total", { direction: "received" }],
  framesIn: ["keyframe_frames_total", { direction: "in" }],
  deltasIn: ["keyframe_frames_total", { direction: "in", kind: "delta" }],
  rawIn: ["keyframe_frames_total", { direction: "in", kind: "raw" }],
  deltasOut: ["keyframe_frames_total", { direction: "out", kind: "delta" }],
  undelivered: ["keyframe_undelivered_frames_total", {}],
  superseded: ["keyframe_undelivered_frames_total", { reason: "superseded" }],
  resyncs: ["keyframe_resyncs_total", {}],
  unnamed: ["keyframe_unnamed_frames_total", {}],
};

/** Reads all figures as they stand now. */
export async function figuresOf(server: Server, sidecars: readonly Sidecar[]): Promise<Figures> {
  const info = await server.cli("INFO", "stats");
  const read = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
  const figures: Partial<Figures> = {
    serverIn: read("total_net_input_bytes"),
    serverOut: read("total_net_output_bytes"),
  };
  const samples = await Promise.all(sidecars.map((sidecar) => sidecar.metrics()));
  for (const [key, [name, labels]] of Object.entries(counters)) {
    let sum = 0;
    for (const one of samples) sum += sumSamples(one, name, labels);
    figures[key as keyof Figures] = sum;
  }
  return figures as Figures;
}

/** What was added between two readings. */
export function minus(after: Figures, before: Figures): Figures {
  const keys = Object.keys(after) as (keyof Figures)[];
  return Object.fromEntries(keys.map((key) => [key, after[key] - before[key]])) as unknown as Figures;
}

/** One line for the report of a test: server bytes without and with sidecars, and the frames' own bytes. */
export function sentence(direct: Figures, through: Figures): string {
  const ratio = (left: number, right: number) => (right === 0 ? "-" : (left / right).toFixed(1));
  return [
    `server in ${direct.serverIn} -> ${through.serverIn} B (${ratio(direct.serverIn, through.serverIn)}x)`,
    `out ${direct.serverOut} -> ${through.serverOut} B (${ratio(direct.serverOut, through.serverOut)}x)`,
    `frames ${through.framesIn}: app ${through.appSent} B, wire ${through.wireSent} B`,
    `(${ratio(through.appSent, through.wireSent)}x), deltas ${through.deltasIn}, raw ${through.rawIn}`,
    `undelivered ${through.undelivered}, resyncs ${through.resyncs}`,
  ].join(", ");
}
