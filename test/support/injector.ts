/**
 * The injector under test, as a cluster runs it: `node dist/main.js injector` in a process of its own, with certificates
 * that `keyframe injector-certs` made, seen only over TLS, its metrics and its log.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eachLine, spawnChild, stopChild } from "./children.js";
import { inRoot } from "./root.js";
import { cleanEnv, parseMetrics, sumSamples } from "./sidecar.js";
import { eventually } from "./wait.js";

export interface Answer {
  status: number;
  body: string;
}

export interface Injector {
  port: number;
  pid: number;
  adminUrl: string;
  /** Folder of ca.crt, tls.crt and tls.key. */
  certs: string;
  logs: string[];
  /** POST /mutate over TLS, with the certificate checked against ca.crt as it is now. */
  post(
    body: string | Buffer,
    options?: { agent?: Agent; headers?: Record<string, string>; path?: string },
  ): Promise<Answer>;
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  logged(event: string, deadlineMs?: number): Promise<Record<string, unknown>>;
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

const main = inRoot("dist", "main.js");

/** Makes or renews the certificates of a folder. */
export function makeCertificates(dir: string, ...args: string[]): void {
  execFileSync(process.execPath, [main, "injector-certs", "--dir", dir, ...args], { env: cleanEnv() });
}

/** Starts an injector on free ports. Its folder goes with it. */
export async function startInjector(env: Record<string, string> = {}): Promise<Injector> {
  const dir = mkdtempSync(join(tmpdir(), "keyframe-injector-"));
  const certs = join(dir, "certs");
  makeCertificates(certs);
  const child = spawnChild(process.execPath, ["--enable-source-maps", main, "injector"], {
    env: {
      ...cleanEnv(),
      KEYFRAME_INJECTOR_LISTEN: "127.0.0.1:0",
      KEYFRAME_INJECTOR_ADMIN: "127.0.0.1:0",
      KEYFRAME_INJECTOR_TLS_CERT: join(certs, "tls.crt"),
      KEYFRAME_INJECTOR_TLS_KEY: join(certs, "tls.key"),
      KEYFRAME_INJECTOR_TLS_RELOAD: "50ms",
      KEYFRAME_INJECTOR_IMAGE: "registry.example/keyframe:0.1.0",
      KEYFRAME_INJECTOR_DRAIN_DELAY: "0ms",
      ...env,
    },
  });
  const logs: string[] = [];
  const events = new Map<string, Record<string, unknown>>();
  const onLine = (line: string) => {
    logs.push(line);
    if (!line.startsWith("{")) return;
    const entry = JSON.parse(line) as Record<string, unknown>;
    const event = String(entry.event);
    if (!events.has(event)) events.set(event, entry);
  };
  eachLine(child.stdout, onLine);
  eachLine(child.stderr, onLine);
  const logged = (event: string, deadlineMs = 10_000) =>
    eventually(`the injector logs ${event}`, () => events.get(event), deadlineMs);
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    const code = await stopChild(child, signal);
    rmSync(dir, { recursive: true, force: true });
    return code;
  };
  let at: Record<string, unknown>;
  try {
    const ended = new Promise<never>((_resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`the injector ended with ${code}`)));
    });
    at = await Promise.race([logged("listening", 20_000), ended]);
    ended.catch(() => {});
  } catch (error) {
    await stop("SIGKILL");
    throw new Error(`the injector does not listen:\n${logs.join("\n")}`, { cause: error });
  }
  const port = Number(String(at.listen).split(":").at(-1));
  const adminUrl = `http://${at.admin}`;
  return {
    port,
    pid: child.pid ?? 0,
    adminUrl,
    certs,
    logs,
    logged,
    stop,
    post: (body, { agent, headers = {}, path = "/mutate" } = {}) =>
      new Promise((resolve, reject) => {
        const ca = readFileSync(join(certs, "ca.crt"));
        const options = { host: "127.0.0.1", port, path, method: "POST", ca, agent: agent ?? false };
        const sent = request(
          { ...options, headers: { "content-type": "application/json", ...headers } },
          (response) => {
            const chunks: Buffer[] = [];
            response.on("data", (chunk: Buffer) => chunks.push(chunk));
            response.on("end", () => {
              resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
            });
            response.on("error", reject);
          },
        );
        sent.on("error", reject);
        sent.end(body);
      }),
    async metric(name, labels) {
      const response = await fetch(`${adminUrl}/metrics`);
      return sumSamples(parseMetrics(await response.text()), name, labels);
    },
  };
}
