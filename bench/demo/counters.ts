/** What the sidecars and the server themselves count, as differences between two moments. */
import type { Server } from "../../test/support/server.js";
import { parseMetrics, type Sidecar, sumSamples } from "../../test/support/sidecar.js";
import { eventually } from "../../test/support/wait.js";

/** The sidecars' counters over one pass. `wireBytes` are payload bytes of the messages that pod A put on the server. */
export interface Counted {
  wireBytes: number;
  keyframes: number;
  raw: number;
  resyncs: number;
  undelivered: number;
}

async function scrape(sidecar: Sidecar): Promise<string> {
  const response = await fetch(`${sidecar.adminUrl}/metrics`);
  return response.text();
}

/** Reads both sidecars at every `mark`; `difference` is between the last two marks. */
export class SidecarMarks {
  private readonly marks: Counted[] = [];

  constructor(
    private readonly a: Sidecar,
    private readonly b: Sidecar,
  ) {}

  readonly mark = async (): Promise<void> => {
    // The last batch is counted when its reply is there, a moment after its frames were heard.
    let before = "";
    const texts = await eventually("the sidecars' counters rest", async () => {
      const now = await Promise.all([scrape(this.a), scrape(this.b)]);
      const counters = now.flatMap((text) => text.match(/^keyframe_(frames|wire_bytes)_total.*$/gm) ?? []).join("\n");
      const rest = counters === before;
      before = counters;
      return rest ? now : undefined;
    });
    const [from, to] = texts.map(parseMetrics) as [Map<string, number>, Map<string, number>];
    const sent = (kind: string) => sumSamples(from, "keyframe_frames_total", { direction: "in", kind });
    const undelivered = "keyframe_undelivered_frames_total";
    this.marks.push({
      wireBytes: sumSamples(from, "keyframe_wire_bytes_total", { direction: "sent" }),
      keyframes: sent("keyframe"),
      raw: sent("raw"),
      resyncs: sumSamples(to, "keyframe_resyncs_total"),
      undelivered: sumSamples(from, undelivered) + sumSamples(to, undelivered),
    });
  };

  difference(): Counted {
    const [before, after] = this.marks.slice(-2) as [Counted, Counted];
    return {
      wireBytes: after.wireBytes - before.wireBytes,
      keyframes: after.keyframes - before.keyframes,
      raw: after.raw - before.raw,
      resyncs: after.resyncs - before.resyncs,
      undelivered: after.undelivered - before.undelivered,
    };
  }
}

/** All bytes that the server read and wrote on its sockets: commands, replies, messages, everything. */
export interface ServerBytes {
  input: number;
  output: number;
}

/** Adds up the server's traffic between pairs of marks: the first mark of a pass opens, the second closes. */
export class ServerMarks {
  readonly total: ServerBytes = { input: 0, output: 0 };
  private opened: ServerBytes | undefined;

  constructor(private readonly server: Server) {}

  readonly mark = async (): Promise<void> => {
    const info = await this.server.cli("INFO", "stats");
    const read = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
    const now = { input: read("total_net_input_bytes"), output: read("total_net_output_bytes") };
    if (this.opened === undefined) {
      this.opened = now;
      return;
    }
    this.total.input += now.input - this.opened.input;
    this.total.output += now.output - this.opened.output;
    this.opened = undefined;
  };
}
