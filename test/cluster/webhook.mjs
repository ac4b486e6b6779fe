/** The real webhook as a local process, with the certificate of the Secret and the settings of the chart's Deployment. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, start, until } from "../e2e/processes.mjs";
import { root } from "../setup/lib.mjs";

const MAIN = join(root, "dist", "main.js");

/** Runs a command of keyframe to its end. Resolves to its exit code and its output. */
export async function keyframe(args, { env = {}, place, name }) {
  const handle = start({
    name,
    command: process.execPath,
    args: [MAIN, ...args],
    env: { PATH: process.env.PATH, HOME: place, ...env },
    logFile: join(place, `${name}.log`),
  });
  return { code: await handle.exited, output: handle.tail() };
}

/** Puts the Secret's content into files, each in one step, as a kubelet does. */
export function mount(secret, folder) {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(secret.data)) {
    const path = join(folder, name);
    writeFileSync(`${path}.new`, Buffer.from(text, "base64"), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/**
 * Starts `keyframe injector` with the environment that the chart's container has, but addresses of its own.
 * Resolves to { port, admin, stop(), lines }.
 */
export async function startWebhook({ deployment, folder, place, port }) {
  const [container] = deployment.spec.template.spec.containers;
  const given = Object.fromEntries(container.env.map(({ name, value }) => [name, value]));
  const chosen = port ?? (await freePort());
  const adminPort = await freePort();
  const lines = [];
  const handle = start({
    name: "injector",
    command: process.execPath,
    args: [MAIN, ...container.args],
    env: {
      PATH: process.env.PATH,
      ...given,
      KEYFRAME_INJECTOR_LISTEN: `127.0.0.1:${chosen}`,
      KEYFRAME_INJECTOR_ADMIN: `127.0.0.1:${adminPort}`,
      KEYFRAME_INJECTOR_TLS_CERT: join(folder, "tls.crt"),
      KEYFRAME_INJECTOR_TLS_KEY: join(folder, "tls.key"),
      KEYFRAME_INJECTOR_TLS_RELOAD: "100ms",
      KEYFRAME_INJECTOR_DRAIN_DELAY: "0ms",
    },
    logFile: join(place, "injector.log"),
    onLine: (line) => lines.push(line),
  });
  const admin = `http://127.0.0.1:${adminPort}`;
  await until("the webhook", async () => (await fetch(`${admin}/readyz`)).ok, { process: handle });
  return { port: chosen, admin, lines, stop: () => handle.stop() };
}

/** The value of one sample of the webhook's metrics, 0 where it has not been counted yet. */
export async function metric(webhook, sample) {
  const text = await (await fetch(`${webhook.admin}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${sample} `));
  return line ? Number(line.split(" ").at(-1)) : 0;
}
