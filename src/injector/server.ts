/**
 * The webhook: HTTPS, POST /mutate. Whatever comes in is answered so that the pod may start; nothing that comes in can
 * end the process. What a review says is review.ts's; here are the limits of the way to it.
 */
import type { IncomingMessage } from "node:http";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { type FastifyReply, type FastifyRequest, fastify } from "fastify";
import type { InjectorConfig } from "../config/injector.js";
import { showHostPort } from "../config/values.js";
import type { Counter, Log, Meter } from "../core/ports.js";
import type { KeyPair } from "./certificate.js";
import { notes, type Reason, reasons } from "./reasons.js";
import { type Reviewed, rejection, review } from "./review.js";

export interface Webhook {
  /** Where it listens, host:port. */
  readonly address: string;
  /** Uses another certificate for the connections to come. */
  renew(pair: KeyPair): void;
  /** Stops accepting and waits for what has begun, but no longer than this. */
  close(withinMs: number): Promise<void>;
}

// API servers keep a few connections each.
const MAX_CONNECTIONS = 1024;
const NOT_FOUND = { error: "not found" };

/** Starts the webhook. Rejects with the system's error when the address cannot be had. */
export async function startWebhook(config: InjectorConfig, pair: KeyPair, log: Log, meter: Meter): Promise<Webhook> {
  const account = new Account(log, meter);
  const timeout = config.requestTimeoutMs;
  const app = fastify({
    logger: false,
    https: {
      ...pair,
      minVersion: "TLSv1.2",
      handshakeTimeout: timeout,
      headersTimeout: timeout,
      // Node looks for what is overdue as often as this; its default is half a minute.
      connectionsCheckingInterval: Math.ceil(timeout / 4),
    },
    requestTimeout: timeout,
    // An idle connection is kept: the API server uses it again.
    connectionTimeout: 0,
    return503OnClosing: false,
    exposeHeadRoutes: false,
    frameworkErrors: (_error, _request, reply) => {
      (reply as unknown as FastifyReply).code(404).send(NOT_FOUND);
    },
  });
  const server = app.server as Server;
  server.maxConnections = MAX_CONNECTIONS;
  const tlsErrors = meter.counter("keyframe_injector_tls_errors_total");
  server.on("tlsClientError", () => tlsErrors.inc());

  // Whatever a body is called, it is looked at as JSON, and by ourselves: a fault in it is an answer, not an error.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => gather(payload, config.bodyBytes, done));
  app.setNotFoundHandler((_request, reply) => reply.code(404).send(NOT_FOUND));
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    // What the framework itself finds wrong with a request, such as the name of its type, is a fault of whoever sent it.
    const theirs = error.statusCode !== undefined && error.statusCode < 500;
    const answer = theirs ? rejection("malformed") : rejection("internal_error", "", undefined, error);
    return reply.code(200).send(account.note(answer, performance.now()));
  });
  app.post("/mutate", (request: FastifyRequest, reply) => {
    const from = performance.now();
    return reply.send(account.note(reviewed(request.body, config), from));
  });

  await app.listen(config.listen);
  const bound = server.address() as AddressInfo;
  return {
    address: showHostPort({ host: bound.address, port: bound.port }),
    renew: ({ cert, key }) => server.setSecureContext({ cert, key, minVersion: "TLSv1.2" }),
    async close(withinMs) {
      const late = setTimeout(() => server.closeAllConnections(), withinMs);
      try {
        await app.close();
      } finally {
        clearTimeout(late);
      }
    },
  };
}

const TOO_LARGE = Symbol("too large");

/**
 * Takes in a body. One over the limit is read to its end and thrown away: a client that is still writing does not see an
 * answer that comes early. How long that may last is the request timeout's.
 */
function gather(
  payload: IncomingMessage,
  limit: number,
  done: (error: null, body: Buffer | typeof TOO_LARGE) => void,
): void {
  let chunks: Buffer[] = [];
  let length = 0;
  payload.on("data", (chunk: Buffer) => {
    length += chunk.length;
    if (length > limit) chunks = [];
    else chunks.push(chunk);
  });
  payload.on("end", () => done(null, length > limit ? TOO_LARGE : Buffer.concat(chunks, length)));
  // The client has gone, or was too slow: nobody is there to be answered.
  payload.on("error", () => {});
}

function reviewed(body: unknown, config: InjectorConfig): Reviewed {
  if (body === TOO_LARGE) return rejection("too_large");
  let value: unknown;
  try {
    value = JSON.parse(String(body));
  } catch {
    return rejection("malformed");
  }
  return review(value, config);
}

/** Counts and logs what was answered. */
class Account {
  readonly #log: Log;
  readonly #reviews: Readonly<Record<string, Counter>>;
  readonly #notes: Readonly<Record<string, Counter>>;
  readonly #seconds: { observe(value: number): void };

  constructor(log: Log, meter: Meter) {
    this.#log = log;
    const counters = (name: string, label: string, values: object) =>
      Object.fromEntries(Object.keys(values).map((value) => [value, meter.counter(name, { [label]: value })]));
    this.#reviews = counters("keyframe_injector_reviews_total", "reason", reasons);
    this.#notes = counters("keyframe_injector_notes_total", "note", notes);
    this.#seconds = meter.histogram("keyframe_injector_review_seconds");
  }

  /** @returns the answer's body */
  note({ reason, notes: found, detail, namespace, pod, uid, error, answer }: Reviewed, from: number): object {
    this.#reviews[reason]?.inc();
    for (const { code } of found) this.#notes[code]?.inc();
    this.#seconds.observe((performance.now() - from) / 1000);
    this.#write(reason)("review", {
      reason,
      text: reasons[reason],
      ...(detail !== "" && { detail }),
      ...(found.length > 0 && { notes: found.map(({ code, about }) => `${code} (${about})`) }),
      namespace,
      pod,
      uid,
      ...(error !== undefined && { error }),
    });
    return answer;
  }

  #write(reason: Reason): Log["info"] {
    const log = this.#log;
    if (reason === "internal_error") return (event, fields) => log.error(event, fields);
    if (reason === "injected") return (event, fields) => log.info(event, fields);
    // A webhook that is asked about every pod of a cluster must not write a line for each.
    const quiet = reason === "not_requested" || reason === "already_injected" || reason === "disabled";
    return quiet ? (event, fields) => log.debug(event, fields) : (event, fields) => log.warn(event, fields);
  }
}
