/**
 * `npm run bench:failover -- [--runs N] [--faults crash,planned,frozen,unseen] [--out FILE]`: what apps notice of a failover,
 * straight at the master that Sentinel names and through sidecars. A real master, two replicas, three real sentinels; two
 * pods of three real python-socketio workers each, made as Open WebUI makes them. Direct and sidecar take turns.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { eachLine, spawnChild, stopChild } from "../../test/support/children.js";
import { startFaultProxy } from "../../test/support/fault-proxy.js";
import { python } from "../../test/support/python.js";
import { inRoot } from "../../test/support/root.js";
import { type Sentinels, startSentinels } from "../../test/support/sentinels.js";
import { type Sidecar, startSidecar } from "../../test/support/sidecar.js";
import { eventually, within } from "../../test/support/wait.js";
import { spread } from "../statistics.js";
import { figuresOf, type PodResult, type RunFigures } from "./figures.js";

const { values: flags } = parseArgs({
  options: {
    runs: { type: "string", default: "5" },
    faults: { type: "string", default: "crash,planned,frozen,unseen" },
    out: { type: "string" },
  },
});
const PODS = ["a", "b"];
const WORKERS = 3;
const CHATS = 5;
const FPS = 20;
/** The first chat of each pod ends in the outage, the others long after it. */
const EARLY_S = 1.2;
const END_S = 16;
const WAYS = ["direct", "sidecar"] as const;
type Way = (typeof WAYS)[number];
type Fault = "crash" | "planned" | "frozen" | "unseen";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const say = (text: string) => process.stdout.write(`${text}\n`);
/** What Open WebUI passes where the operator gives no options. */
const OPTIONS = { socket_timeout: null };

interface Pod {
  warm: Promise<Record<string, string>>;
  result: Promise<PodResult>;
  tell(message: object): void;
  stop(): Promise<unknown>;
}

function startPod(name: string, url: string, options: object): Pod {
  const args = ["--redis", url, "--options", JSON.stringify(options), "--pod", name, "--pods", PODS.join(",")];
  const numbers = ["--workers", String(WORKERS), "--chats", String(CHATS), "--fps", String(FPS)];
  const child = spawnChild(python("py-new-redis8"), [inRoot("bench", "failover", "pod.py"), ...args, ...numbers], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let warm: (versions: Record<string, string>) => void = () => {};
  let result: (result: PodResult) => void = () => {};
  const errors: string[] = [];
  const ended = new Promise<never>((_, reject) => {
    child.once(
      "exit",
      (code) => code !== 0 && reject(new Error(`pod ${name} ended with ${code}:\n${errors.join("\n")}`)),
    );
  });
  ended.catch(() => {});
  eachLine(child.stderr, (line) => errors.push(line));
  eachLine(child.stdout, (line) => {
    const message = JSON.parse(line) as { event: string; versions: Record<string, string> } & PodResult;
    if (message.event === "warm") warm(message.versions);
    else result(message);
  });
  return {
    warm: Promise.race([ended, new Promise<Record<string, string>>((resolve) => (warm = resolve))]),
    result: Promise.race([ended, new Promise<PodResult>((resolve) => (result = resolve))]),
    tell: (message) => child.stdin?.write(`${JSON.stringify(message)}\n`),
    stop: () => stopChild(child, "SIGKILL"),
  };
}

interface Run extends RunFigures {
  /** From the fault to the moment in which every sentinel names the new master, seconds. */
  switchedAfter: number | null;
  /** What the sidecars have counted as not delivered, by reason. */
  counted: Record<string, number>;
}

/** Does the harm; resolves with the seconds after which the sentinels agreed on another master. */
async function harm(fault: Fault, group: Sentinels, unseen: () => Promise<void>): Promise<number | null> {
  const began = performance.now();
  const port = (await group.masterServer()).port;
  const server = await group.masterServer();
  if (fault === "unseen") {
    await unseen();
    return null;
  }
  if (fault === "crash") await group.killMaster();
  if (fault === "frozen") process.kill(server.pid, "SIGSTOP");
  if (fault === "planned") await group.failover();
  else await group.agreed(port);
  return (performance.now() - began) / 1000;
}

async function countedBy(sidecars: readonly Sidecar[]): Promise<Record<string, number>> {
  const counted: Record<string, number> = {};
  for (const sidecar of sidecars) {
    for (const [key, value] of await sidecar.metrics()) {
      const reason = /^keyframe_undelivered_frames_total\{reason="(\w+)"\}/.exec(key)?.[1];
      if (reason !== undefined && value > 0) counted[reason] = (counted[reason] ?? 0) + value;
    }
  }
  return counted;
}

let versions: Record<string, string> = {};

async function run(group: Sentinels, fault: Fault, way: Way): Promise<Run> {
  const master = await group.masterServer();
  // Only where no sentinel is involved does pod A's way to the server lead through a line that can be cut unseen.
  const line = fault === "unseen" ? await startFaultProxy({ target: master.port }) : undefined;
  const upstream = (pod: string) => {
    if (line === undefined) return group.url();
    return pod === "a" ? line.url : master.url;
  };
  const sidecars: Sidecar[] = [];
  const pods: Pod[] = [];
  try {
    for (const name of PODS) {
      let url = upstream(name);
      if (way === "sidecar") {
        const sidecar = await startSidecar({ upstream: url });
        await sidecar.ready();
        sidecars.push(sidecar);
        url = `${sidecar.url}/0`;
      }
      const options = url.startsWith("redis+sentinel") ? { ...OPTIONS, sentinel_kwargs: OPTIONS } : OPTIONS;
      pods.push(startPod(name, url, options));
    }
    const [told] = await within("all workers hear each other", Promise.all(pods.map(({ warm }) => warm)), 60_000);
    versions = told!;
    // Frames of the last second before the fault are looked at too; all were there by then.
    await sleep(1_500);
    const at = Date.now() / 1000;
    const times = { fault: at, early: at + EARLY_S, end: at + END_S };
    for (const pod of pods) pod.tell({ fault: at, early: EARLY_S, end: END_S });
    const switchedAfter = await harm(fault, group, async () => {
      const listens = (sent: { sent(text: string): boolean }) =>
        sent.sent(way === "direct" ? "\nSUBSCRIBE" : "keyframe-subscriber");
      const victims = line!.connections().filter(listens);
      line!.pause("down", (one) => victims.some(({ id }) => id === one.id));
      // The server lets go of them; the word of it is lost on the way.
      const list = await master.cli("CLIENT", "LIST", "TYPE", "PUBSUB");
      const ports = victims.map(({ port }) => port);
      for (const entry of list.split("\n")) {
        if (ports.some((port) => entry.includes(`addr=127.0.0.1:${port} `))) {
          await master.cli("CLIENT", "KILL", "ID", /\bid=(\d+)/.exec(entry)![1]!);
        }
      }
    });
    const results = await within("the pods' results", Promise.all(pods.map(({ result }) => result)), 60_000);
    return { ...figuresOf(results, times), switchedAfter, counted: await countedBy(sidecars) };
  } finally {
    await Promise.all(pods.map((pod) => pod.stop()));
    await Promise.all(sidecars.map((sidecar) => sidecar.stop("SIGKILL")));
    line?.resume();
    await line?.stop();
    // All servers live and follow the master before the next fault.
    if (fault === "frozen") process.kill(master.pid, "SIGCONT");
    if (fault === "crash") await group.restart(master.port, { replicaof: await group.master() });
    await group.settled(60_000);
  }
}

const group = await startSentinels();
const on = `${group.servers[0]!.kind} ${group.servers[0]!.version}, Node ${process.version}, ${availableParallelism()} cores`;
const faults = flags.faults.split(",") as Fault[];
const all = new Map<string, Run[]>();
say(`${on}; load average ${loadavg()[0]!.toFixed(1)}`);
const rowsOf = () =>
  [...all].map(([key, runs]) => {
    const [fault, way] = key.split(" ");
    const of = (figure: (run: Run) => number) => spread(runs.map(figure));
    const ends = (which: "earlyEnds" | "lateEnds") =>
      [0, 1].map((i) => runs.reduce((sum, run) => sum + run[which][i]!, 0));
    return {
      fault,
      way,
      runs: runs.length,
      published: of(({ published }) => published),
      expectedDeliveries: of(({ expected }) => expected),
      lostWords: of(({ lostWords }) => lostWords),
      lostWholes: of(({ lostWholes }) => lostWholes),
      errors: of(({ errors }) => errors),
      slowPublishes: of(({ slow }) => slow),
      deafSeconds: spread(runs.flatMap(({ deaf }) => deaf)),
      silentAtEnd: runs.reduce((sum, run) => sum + run.silentAtEnd, 0),
      workers: runs.reduce((sum, run) => sum + run.deaf.length, 0),
      earlyEndsHeard: ends("earlyEnds"),
      lateEndsHeard: ends("lateEnds"),
      twice: runs.reduce((sum, run) => sum + run.twice, 0),
      disorder: runs.reduce((sum, run) => sum + run.disorder, 0),
      sentinelsAgreedAfterSeconds: of(({ switchedAfter }) => switchedAfter ?? 0),
    };
  });
/** Written after each round: a bench that is ended early has made what it has made. */
function write(): void {
  if (flags.out === undefined) return;
  const round = (_key: string, value: unknown) => (typeof value === "number" ? Math.round(value * 100) / 100 : value);
  const result = {
    command: `npm run bench:failover -- --runs ${flags.runs} --faults ${flags.faults} --out ${flags.out}`,
    on: `${on}, ${Object.entries(versions)
      .map((one) => one.join(" "))
      .join(", ")}`,
    setting: {
      pods: PODS.length,
      workersPerPod: WORKERS,
      chatsPerPod: CHATS,
      framesPerSecond: FPS,
      earlyEndAfterSeconds: EARLY_S,
      endAfterSeconds: END_S,
      downAfterMs: 1_000,
    },
    rows: rowsOf(),
    runs: Object.fromEntries(all),
  };
  writeFileSync(flags.out, `${JSON.stringify(result, round, 1)}\n`);
}
for (let i = 0; i < Number(flags.runs); i++) {
  for (const fault of faults) {
    for (const way of i % 2 === 0 ? WAYS : WAYS.toReversed()) {
      const one = await run(group, fault, way);
      const key = `${fault} ${way}`;
      all.set(key, [...(all.get(key) ?? []), one]);
      const deaf = one.deaf.map((seconds) => seconds.toFixed(1)).join(" ");
      say(
        `${key.padEnd(16)} lost ${one.lostWords} + ${one.lostWholes} of ${one.expected}, errors ${one.errors}, slow ${one.slow}, deaf ${deaf}, ` +
          `ends ${one.earlyEnds.join("/")} ${one.lateEnds.join("/")}, twice ${one.twice}, disorder ${one.disorder}, ` +
          `switched after ${one.switchedAfter?.toFixed(1)} s ${JSON.stringify(one.counted)}`,
      );
    }
  }
  write();
}
await eventually("the sentinels rest", async () => (await group.agreed()) > 0);
await group.stop();

const n = ({ median, least, most }: { median: number; least: number; most: number }, digits = 0) =>
  `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`;
say(
  "\n| fault | way | words lost | wholes lost | PUBLISH errors | slower than 1 s | seconds deaf | silent at the end | ends in the outage | later ends |",
);
say("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
for (const row of rowsOf()) {
  const [early, late] = [row.earlyEndsHeard.join(" of "), row.lateEndsHeard.join(" of ")];
  say(
    `| ${row.fault} | ${row.way} | ${n(row.lostWords)} | ${n(row.lostWholes)} | ${n(row.errors)} | ${n(row.slowPublishes)} | ` +
      `${n(row.deafSeconds, 1)} | ${row.silentAtEnd} of ${row.workers} | ${early} | ${late} |`,
  );
}
process.exit(0);
