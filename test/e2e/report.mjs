// The figures of a release, direct and through sidecars, side by side.

/** Rows of the table: label, how to get the figure from a story's result, how to write it, whether a ratio says something. */
const ROWS = [
  ["bytes out of the server", (s) => s.redis.bytesOut, whole, true],
  ["  of them to subscribers", (s) => s.redis.pubsubOut, whole, true],
  ["  all other replies", (s) => s.redis.pubsubOut !== undefined && s.redis.bytesOut - s.redis.pubsubOut, whole, true],
  ["bytes into the server", (s) => s.redis.bytesIn, whole, true],
  ["commands, those in scripts too", (s) => s.redis.commands, whole, true],
  ["  of them script calls", (s) => (s.redis.calls.evalsha ?? 0) + (s.redis.calls.eval ?? 0), whole, false],
  ["pub/sub messages published", (s) => s.redis.publishes, whole, true],
  ["frames published by the apps", (s) => s.sidecars?.framesIn ?? s.redis.publishes, whole, false],
  ["  as deltas", (s) => s.sidecars?.deltas, whole, false],
  ["  as keyframes", (s) => s.sidecars?.keyframes, whole, false],
  ["  raw", (s) => s.sidecars?.raws, whole, false],
  ["frames to the apps", (s) => s.sidecars?.framesOut, whole, false],
  ["resyncs", (s) => s.sidecars?.resyncs, whole, false],
  ["repairs sent", (s) => s.sidecars?.repairs, whole, false],
  ["frames not delivered", (s) => s.sidecars?.undelivered, whole, false],
  ["CPU of the server, s", (s) => s.redis.cpuSeconds, fine, true],
  ["CPU of both sidecars, s", (s) => s.sidecars?.cpuSeconds, fine, false],
  ["CPU of replica A, s", (s) => s.replicaCpuSeconds[0], fine, true],
  ["CPU of replica B, s", (s) => s.replicaCpuSeconds[1], fine, true],
  ["slowest opening of a chat, s", (s) => Math.max(...s.chats.map((chat) => chat.openSeconds)), fine, false],
  ["duration, s", (s) => s.seconds, fine, false],
];

/** The table of one story as lines of text. Either side may be missing. */
export function table(name, direct, sidecar) {
  const lines = [`  ${name}`, row("", "direct", "sidecar", "direct / sidecar")];
  for (const [label, get, write, ratio] of ROWS) {
    const values = [direct, sidecar].map((story) => (story === undefined ? undefined : get(story)));
    const cells = values.map((value) => (typeof value === "number" ? write(value) : "-"));
    if (cells.every((cell) => cell === "-")) continue;
    const times = ratio && values.every((value) => typeof value === "number") ? quotient(values[0], values[1]) : "";
    lines.push(row(label, cells[0], cells[1], times));
  }
  for (const [label, good] of [
    ["texts intact", (tab) => tab.intact],
    ["sequences equal to the sender's", (tab) => tab.equal],
  ]) {
    const counts = [direct, sidecar].map((s) => {
      const tabs = s?.chats.flatMap((chat) => chat.tabs);
      return tabs ? `${tabs.filter(good).length} of ${tabs.length}` : "-";
    });
    lines.push(row(label, counts[0], counts[1], ""));
  }
  lines.push(...byCommand(direct, sidecar));
  const story = sidecar ?? direct;
  for (const [index, { name: tab }] of story.sockets.entries()) {
    const counts = [direct, sidecar].map((s) => (s ? whole(s.sockets[index].events) : "-"));
    lines.push(row(`events on ${tab}`, counts[0], counts[1], ""));
  }
  return lines;
}

/** Bytes sent to the server by command, the most first; those below a hundredth of all are left out. */
function byCommand(direct, sidecar) {
  const sides = [direct, sidecar].map((story) => story?.redis.sentByCommand);
  const most = (label) => Math.max(...sides.map((side) => side?.[label]?.bytes ?? 0));
  const all = Math.max(...sides.map((side) => Object.values(side ?? {}).reduce((sum, { bytes }) => sum + bytes, 0)));
  const labels = [...new Set(sides.flatMap((side) => Object.keys(side ?? {})))].filter(
    (label) => most(label) > all / 100,
  );
  labels.sort((one, other) => most(other) - most(one));
  const cell = (side, label) => (side ? whole(side[label]?.bytes ?? 0) : "-");
  return labels.map((label) => row(`  sent as ${label}`, cell(sides[0], label), cell(sides[1], label), ""));
}

/** direct / sidecar for bytes out of the server: all, and to subscribers alone where the server counts it. */
export function outRatios(direct, sidecar) {
  const of = (get) => (get(sidecar.redis) > 0 ? get(direct.redis) / get(sidecar.redis) : undefined);
  return { total: of((redis) => redis.bytesOut), subscribers: of((redis) => redis.pubsubOut) };
}

function row(label, one, other, times) {
  return `    ${label.padEnd(34)}${one.padStart(14)}${other.padStart(14)}${times.padStart(18)}`;
}

function whole(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");
}

function fine(value) {
  return value.toFixed(2);
}

function quotient(one, other) {
  if (other === 0) return "";
  const value = one / other;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} x`;
}
