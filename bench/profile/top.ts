/** What a CPU profile says: where the busy time went, by function and by room of the house. Pure. */

export interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

export interface Cost {
  what: string;
  /** Of the time in which the process was not idle. */
  share: number;
}

export interface Costs {
  /** Of all time. */
  busy: number;
  functions: Cost[];
  rooms: Cost[];
}

const IDLE = "(idle)";
/** The profiler's own: taking its orders. */
const PROFILER = "dispatch";

/** `src/proxy/session.ts` of a compiled file is `proxy/session`; Node's own are `node:net`. */
function placeOf(url: string): string {
  if (url === "") return "";
  const own = /\/dist\/(.+)\.js$/.exec(url);
  if (own !== null) return own[1]!;
  const foreign = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url);
  return foreign?.[1] ?? url;
}

/** The room a function belongs to: its folder in src, Node's JavaScript, or what V8 and the kernel do. */
function roomOf(name: string, place: string): string {
  if (name === "(garbage collector)") return "garbage collection";
  if (name === "(program)") return "outside of JavaScript: the loop, epoll, read";
  if (place === "") return `system call or native code: ${name}`;
  if (place.startsWith("node:")) return "Node's JavaScript (net, streams, ticks)";
  return place.includes("/") ? `src/${place.slice(0, place.indexOf("/"))}` : place;
}

function ranked(sums: ReadonlyMap<string, number>, all: number): Cost[] {
  return [...sums].map(([what, time]) => ({ what, share: time / all })).sort((a, b) => b.share - a.share);
}

/** Self time by function and by room, the largest first. */
export function costsOf({ nodes, samples, timeDeltas }: CpuProfile): Costs {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]));
  const functions = new Map<string, number>();
  const rooms = new Map<string, number>();
  let all = 0;
  let busy = 0;
  samples.forEach((id, i) => {
    const delta = Math.max(0, timeDeltas[i] ?? 0);
    const { functionName, url } = byId.get(id)!;
    if (functionName === PROFILER && url === "") return;
    all += delta;
    if (functionName === IDLE) return;
    busy += delta;
    const place = placeOf(url);
    const name = functionName === "" ? "(anonymous)" : functionName;
    const what = place === "" ? name : `${name} (${place})`;
    functions.set(what, (functions.get(what) ?? 0) + delta);
    const room = roomOf(name, place);
    rooms.set(room, (rooms.get(room) ?? 0) + delta);
  });
  return { busy: all === 0 ? 0 : busy / all, functions: ranked(functions, busy), rooms: ranked(rooms, busy) };
}
