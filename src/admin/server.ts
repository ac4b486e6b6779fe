/**
 * The status server beside the data's way: probes and metrics, read-only, nothing secret. It knows the sidecar through
 * two callbacks only, so it answers even while everything else is in trouble.
 */
import type { AddressInfo } from "node:net";
import { type FastifyReply, fastify } from "fastify";
import type { Log } from "../core/ports.js";

export interface Readiness {
  readonly ready: boolean;
  /** Why not, from a closed set of sentences; empty when ready. */
  readonly reasons: string[];
}

export interface AdminOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly ready: () => Readiness;
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  readonly log: Log;
}

export interface Admin {
  /** Where it listens, as host:port with brackets around IPv6. */
  readonly address: string;
  /** Stops listening and ends every connection, those kept alive by scrapers too. */
  close(): Promise<void>;
}

// Scrapers and probes keep one connection each; far more than that is a mistake or an attack.
const MAX_CONNECTIONS = 128;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Starts the server. GET /healthz is 200 `ok` while the process runs; GET /readyz is 200 or 503 with
 * `{ ready, reasons }`; GET /metrics is the scrape. Everything else is 404 in JSON.
 * Rejects with the system's error when the address cannot be had.
 */
export async function startAdmin({ host, port, ready, metrics, log }: AdminOptions): Promise<Admin> {
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    requestTimeout: REQUEST_TIMEOUT_MS,
    connectionTimeout: 2 * REQUEST_TIMEOUT_MS,
    bodyLimit: 1024,
    exposeHeadRoutes: false,
    frameworkErrors: (_error, _request, reply) => {
      (reply as unknown as FastifyReply).code(404).send(notFound);
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;

  // Before the body is parsed: what is not a GET is refused whatever it carries.
  app.addHook("onRequest", async (request, reply) => {
    if (request.method !== "GET") return reply.code(404).send(notFound);
  });
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(notFound));
  app.setErrorHandler((error, request, reply) => {
    log.error("admin-error", { route: request.routeOptions.url, error });
    return reply.code(500).send({ error: "internal error" });
  });

  app.get("/healthz", (_request, reply) => reply.type("text/plain; charset=utf-8").send("ok"));
  app.get("/readyz", (_request, reply) => {
    const state = readiness(ready, log);
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  app.get("/metrics", async (_request, reply) => reply.type(metrics.contentType).send(await metrics.render()));

  await app.listen({ host, port });
  const bound = app.server.address() as AddressInfo;
  const address = `${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
  return { address, close: () => app.close() };
}

const notFound = { error: "not found" };

/** A readiness check that fails is not ready. */
function readiness(ready: () => Readiness, log: Log): Readiness {
  try {
    const { ready: isReady, reasons } = ready();
    return { ready: isReady, reasons };
  } catch (error) {
    log.error("readiness-error", { error });
    return { ready: false, reasons: ["the readiness check failed"] };
  }
}
