/** The codec bench for a reader. Pure. */
import type { CodecResult } from "../codec.js";
import { mean } from "../statistics.js";
import { number, times } from "../suite/markdown.js";
import type { Goal, Table } from "../suite/section.js";
import type { CaptureRow } from "./captures.js";

const PEERS = ["ours", "fossil-delta", "VCDIFF", "deflate, dictionary", "RFC 6902", "deflate"] as const;

function byCapture(rows: readonly CaptureRow[]): Map<string, Map<string, CaptureRow>> {
  const names = new Map<string, Map<string, CaptureRow>>();
  for (const row of rows) {
    const peers = names.get(row.name) ?? new Map<string, CaptureRow>();
    names.set(row.name, peers.set(row.peer, row));
  }
  return names;
}

/** Tables of the codec section. */
export function codecTables({ captures, made }: CodecResult): Table[] {
  const names = [...byCapture(captures)];
  const meanOf = (peer: string, figure: (row: CaptureRow) => number | null) => {
    const rows = captures.filter((row) => row.peer === peer);
    const frames = rows.reduce((sum, row) => sum + row.frames, 0);
    return rows.reduce((sum, row) => sum + (figure(row) ?? Number.NaN) * row.frames, 0) / frames;
  };
  const sizes: Table = {
    name: "codec-bytes",
    title: "Mean bytes of a recorded frame, without any head",
    head: ["recording", "frames", "frame, B", ...PEERS.map((peer) => (peer === "RFC 6902" ? "JSON Patch" : peer))],
    rows: [
      ...names.map(([name, peers]) => [
        name,
        number(peers.get("ours")?.frames),
        number(peers.get("ours")?.meanFrame),
        ...PEERS.map((peer) => number(peers.get(peer)?.bytes, 1)),
      ]),
      [
        "all frames",
        number(names.reduce((sum, [, peers]) => sum + (peers.get("ours")?.frames ?? 0), 0)),
        number(meanOf("ours", (row) => row.meanFrame)),
        ...PEERS.map((peer) =>
          number(
            meanOf(peer, (row) => row.bytes),
            1,
          ),
        ),
      ],
    ],
    notes: [
      "Each frame against the one that its sender would code it against; a stream's first frame whole and deflated, the same for " +
        "all. JSON Patch (RFC 6902 by fast-json-patch) cannot say pickle. VCDIFF is Debian's xdelta3 without checksum and head, one " +
        "frame in 100: npm has no maintained package that encodes it.",
    ],
  };
  const speeds: Table = {
    name: "codec-time",
    title: "Microseconds of CPU for a recorded frame",
    head: [
      "recording",
      "ours, send",
      "receive",
      "CRC-32",
      "fossil-delta, send",
      "receive",
      "deflate",
      "with dictionary",
      "JSON Patch",
      "fossil / ours",
    ],
    rows: names.map(([name, peers]) => {
      const us = (peer: string) => number(peers.get(peer)?.sendUs ?? undefined, 1);
      const back = (peer: string) => number(peers.get(peer)?.receiveUs ?? undefined, 1);
      return [
        name,
        us("ours"),
        back("ours"),
        us("our CRC-32"),
        us("fossil-delta"),
        back("fossil-delta"),
        us("deflate"),
        us("deflate, dictionary"),
        us("RFC 6902"),
        times((peers.get("fossil-delta")?.sendUs ?? Number.NaN) / (peers.get("ours")?.sendUs ?? Number.NaN)),
      ];
    }),
  };
  const of = (kib: number, change: string, peer: string) =>
    made.find((row) => row.kib === kib && row.change === change && row.peer === peer);
  const cases = [...new Set(made.map(({ kib, change }) => `${kib}|${change}`))]
    .map((key) => key.split("|") as [string, string])
    .filter(([, change]) => change !== "equal");
  const madeTable: Table = {
    name: "codec-made",
    title: "Made frames: bytes, and median microseconds",
    head: [
      "KiB",
      "change",
      "ours, B",
      "µs: diff / apply",
      "fossil-delta, B",
      "µs",
      "deflate, B",
      "µs",
      "dictionary, B",
      "µs",
      "JSON Patch, B",
      "µs",
    ],
    words: 2,
    rows: cases.map(([kib, change]) => {
      const row = (peer: string) => of(Number(kib), change, peer);
      const size = (peer: string) => number(row(peer)?.bytes ?? undefined);
      const us = (peer: string, digits = 0) => number(row(peer)?.medianUs, digits);
      const [fossil, plain] = ["fossil-delta: create", "deflateRaw of the frame"];
      const [primed, patch] = ["deflateRaw, last frame as dictionary", "RFC 6902: parse, compare, stringify"];
      return [
        kib,
        change,
        size("ours: diff"),
        `${us("ours: diff", 1)} / ${us("ours: apply", 1)}`,
        ...[fossil, plain, primed, patch].flatMap((peer) => [size(peer), us(peer)]),
      ];
    }),
  };
  return [sizes, speeds, madeTable];
}

/** The codec's goals: bytes on every recording together, and the speed against fossil-delta on each. */
export function codecGoals({ captures }: CodecResult): Goal[] {
  const ours = captures.filter(({ peer }) => peer === "ours");
  const frames = ours.reduce((sum, row) => sum + row.frames, 0);
  const bytes = ours.reduce((sum, row) => sum + row.bytes * row.frames, 0) / frames;
  const ratios = ours.map((row) => {
    const fossil = captures.find(({ peer, name }) => peer === "fossil-delta" && name === row.name);
    return (fossil?.sendUs ?? Number.NaN) / (row.sendUs ?? Number.NaN);
  });
  const worst = Math.min(...ratios);
  return [
    { what: "bytes a recorded frame, without head", aim: "≤ 22", measured: number(bytes, 1), met: bytes <= 22 },
    {
      what: "sending a recorded frame, against fossil-delta",
      aim: "4 x faster",
      measured: `${times(mean(ratios))} on the mean, ${times(worst)} at worst`,
      met: mean(ratios) >= 4,
    },
  ];
}
