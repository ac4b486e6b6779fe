/**
 * `npm run bench:injector`: the webhook under load, over TLS, in a process of its own. Reviews are sent at a steady pace
 * whatever becomes of the ones before, and each is timed from when it should have been sent, so that a stall counts for
 * all that it delays. Then as fast as it goes, and pods of 1 MB one after the other.
 *
 *   --rate N      reviews a second (200)
 *   --seconds N   at that rate (20)
 *   --out FILE    everything as JSON
 */
import { readFileSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Injector, startInjector } from "../test/support/injector.js";
import { admission } from "../test/unit/injector/pods.js";

const { values: options } = parseArgs({
  options: {
    rate: { type: "string", default: "200" },
    seconds: { type: "string", default: "20" },
    out: { type: "string" },
  },
});
const rate = Number(options.rate);
const seconds = Number(options.seconds);
const CONNECTIONS = 8;

/** An Open WebUI pod about as large as real ones are, and padded on demand. */
function pod(padding = 0) {
  const env = Array.from({ length: 60 }, (_, i) => ({ name: `SETTING_${i}`, value: `value number ${i} of many` }));
  const container = {
    name: "open-webui",
    image: "ghcr.io/open-webui/open-webui:0.12.4",
    ports: [{ containerPort: 8080 }],
    env: [
      ...env,
      { name: "REDIS_PASSWORD", valueFrom: { secretKeyRef: { name: "redis", key: "password" } } },
      { name: "REDIS_URL", value: "redis://:$(REDIS_PASSWORD)@mymaster:6379/0" },
      { name: "REDIS_SENTINEL_HOSTS", value: "sentinel-0,sentinel-1,sentinel-2" },
      { name: "WEBSOCKET_REDIS_URL", value: "redis://:$(REDIS_PASSWORD)@mymaster:6379/1" },
      { name: "WEBSOCKET_SENTINEL_HOSTS", value: "sentinel-0,sentinel-1,sentinel-2" },
    ],
  };
  const annotations = { "keyframe.dev/inject": "true", ...(padding > 0 && { padding: "x".repeat(padding) }) };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { generateName: "open-webui-", annotations },
    spec: { containers: [container] },
  };
}

const body = Buffer.from(JSON.stringify(admission(pod())));

function summary(millis: number[]) {
  const sorted = [...millis].sort((a, b) => a - b);
  const at = (share: number) =>
    Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2));
  return { count: sorted.length, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), maxMs: at(1) };
}

async function ask(injector: Injector, agent: Agent, bytes: Buffer): Promise<void> {
  const { status, body: text } = await injector.post(bytes, { agent });
  if (status !== 200 || !text.includes('"patch"')) throw new Error(`answered ${status}: ${text.slice(0, 200)}`);
}

async function steady(injector: Injector, agent: Agent): Promise<number[]> {
  const taken: number[] = [];
  const asked: Promise<void>[] = [];
  const from = performance.now();
  for (let i = 0; i < rate * seconds; i++) {
    const due = from + (i * 1000) / rate;
    const early = due - performance.now();
    if (early > 1) await sleep(early);
    asked.push(ask(injector, agent, body).then(() => void taken.push(performance.now() - due)));
  }
  await Promise.all(asked);
  return taken;
}

async function flat(injector: Injector, agent: Agent): Promise<number> {
  const until = performance.now() + 5000;
  let done = 0;
  const worker = async () => {
    for (; performance.now() < until; done++) await ask(injector, agent, body);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, worker));
  return Math.round(done / 5);
}

async function large(injector: Injector, agent: Agent): Promise<number[]> {
  const bytes = Buffer.from(JSON.stringify(admission(pod(1_000_000))));
  const taken: number[] = [];
  for (let i = 0; i < 50; i++) {
    const from = performance.now();
    await ask(injector, agent, bytes);
    taken.push(performance.now() - from);
  }
  return taken;
}

/** Processor time of a process so far, in milliseconds. */
function processorMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const injector = await startInjector({ KEYFRAME_LOG_LEVEL: "info" });
const ca = readFileSync(join(injector.certs, "ca.crt"));
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, ca });
try {
  for (let i = 0; i < 200; i++) await ask(injector, agent, body);
  const load = loadavg()[0]!;
  const before = processorMs(injector.pid);
  const atRate = summary(await steady(injector, agent));
  const cpu = processorMs(injector.pid) - before;
  const results = {
    about: { node: process.version, cpu: cpus()[0]?.model, cpus: cpus().length, loadBefore: Number(load.toFixed(1)) },
    bodyBytes: body.length,
    connections: CONNECTIONS,
    steady: { perSecond: rate, seconds, ...atRate, cpuMsPerReview: Number((cpu / (rate * seconds)).toFixed(2)) },
    flatOutPerSecond: await flat(injector, agent),
    podOf1MB: summary(await large(injector, agent)),
  };
  process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  if (options.out) writeFileSync(options.out, `${JSON.stringify(results, null, 2)}\n`);
} finally {
  agent.destroy();
  await injector.stop();
}
