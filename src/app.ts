/**
 * The composition root: makes every part, gives it what it needs, starts them in order and drains them in reverse.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { startAdmin } from "./admin/server.js";
import type { Config } from "./config/types.js";
import { KeyframeError } from "./core/errors.js";
import type { Clock, Log, Meter } from "./core/ports.js";
import { Dialer, type Resolver, StaticResolver } from "./discovery/dialer.js";
import type { TlsOptions } from "./discovery/open.js";
import { SentinelResolver } from "./discovery/sentinel.js";
import { Metrics } from "./metrics/registry.js";
import { epochFrom } from "./plane/epoch.js";
import { SessionContext } from "./proxy/context.js";
import { Listener } from "./proxy/listener.js";
import { FrameChannels } from "./socketio/channels.js";
import { Trunk } from "./trunk/trunk.js";

const clock: Clock = { now: () => performance.now() };

export interface Sidecar {
  /** Where apps connect, host:port. */
  listen: string;
  /** Where probes and metrics are, host:port. */
  admin: string;
  /** Stops accepting, sends what is queued, ends connections. */
  drain(reason: string): Promise<void>;
}

/**
 * @throws KeyframeError "config" when a file that the configuration names cannot be read; Error when an address is in use
 */
export async function startSidecar(config: Config, log: Log): Promise<Sidecar> {
  const metrics = new Metrics({ process: true });
  const { upstream } = config;
  const identity = { username: upstream.username, password: upstream.password, db: upstream.db };
  const limits = {
    maxBulkBytes: config.maxBulkBytes,
    maxDepth: config.maxDepth,
    maxArgs: config.maxArgs,
    maxLineBytes: 64 * 1024,
  };
  const tls = upstream.tls ? { ca: readCa(config.upstreamCaFile), serverName: config.upstreamServerName } : undefined;
  const dialer = new Dialer(resolverOf(config, tls, log, metrics), { timeoutMs: config.dialTimeoutMs, tls });
  const streams = { count: config.streams, bytes: config.streamBytes, idleMs: config.streamIdleMs };
  const trunk = new Trunk(
    {
      epoch: epochFrom(randomBytes(4)),
      uniform: config.fleet === "uniform",
      oneEmitter: config.emitters === "one",
      identity,
      resp: limits,
      streams,
      rebuild: {
        ...streams,
        holdMs: config.holdMs,
        holdBytes: config.holdBytes,
        maxPayloadBytes: config.maxBulkBytes,
        askMs: config.nackWindowMs,
      },
      batch: { frames: config.batchFrames, bytes: config.batchBytes },
      queue: { bytes: config.queueBytes, waitMs: config.queueWaitMs, largeBytes: config.largeBytes },
      large: {
        bytes: config.largeBytes,
        windowBytes: config.largeWindowBytes,
        waitMs: config.largeWaitMs,
        rawBytes: config.rawMaxBytes,
      },
      reassembly: {
        bytes: config.largeBufferBytes,
        waitMs: config.largeWaitMs,
        maxPayloadBytes: config.maxBulkBytes,
      },
      rooms: {
        keyPrefix: config.keyPrefix,
        stateDir: config.stateDir,
        count: config.frames === "off" ? 0 : config.rooms,
        waitMs: config.roomWaitMs,
      },
      windowMs: config.flushWindowMs,
      canaryMs: config.canaryMs,
      canaryTimeoutMs: config.canaryTimeoutMs,
    },
    dialer,
    clock,
    log,
    metrics,
  );
  const context = new SessionContext({
    limits: {
      ...limits,
      subscriberBufferBytes: config.subscriberBufferBytes,
      pauseBytes: config.pauseBytes,
      // Before a connection is closed for what it has not read, newer frames have taken the place of older ones.
      collapseBytes: Math.min(config.collapseBytes, config.subscriberBufferBytes / 2),
      requestTimeoutMs: config.requestTimeoutMs,
      halfCloseMs: config.halfCloseMs,
      dialTimeoutMs: config.dialTimeoutMs,
    },
    dialer,
    identity,
    // Without frames every channel passes through, and the sidecar is a plain proxy.
    channels: new FrameChannels(config.frames === "off" ? [] : config.channels),
    scripts: { count: config.frames === "off" ? 0 : config.scripts, bytes: config.scriptBytes },
    publisher: trunk.publisher,
    broker: trunk.broker,
    rooms: trunk.rooms,
    clock,
    log,
    meter: metrics,
  });
  const listener = new Listener(context, config.maxConnections, metrics);

  let draining = false;
  const ready = () => {
    const reasons = draining ? ["draining"] : trunk.troubles();
    return { ready: reasons.length === 0, reasons };
  };
  metrics.gauge("keyframe_ready", () => Number(ready().ready));

  trunk.start();
  const admin = await startAdmin({ ...config.admin, ready, metrics, log });
  const listen = await listener.listen(config.listen.host, config.listen.port);
  return {
    listen,
    admin: admin.address,
    async drain() {
      draining = true;
      listener.stopAccepting();
      await trunk.flush(config.drainTimeoutMs / 2);
      await listener.drain(config.drainTimeoutMs / 2);
      // What apps published until their connections closed has been answered, so it is owed too.
      await trunk.flush(config.drainTimeoutMs / 2);
      trunk.stop();
      dialer.close();
      await admin.close();
    },
  };
}

function resolverOf(config: Config, tls: TlsOptions | undefined, log: Log, meter: Meter): Resolver {
  const { upstream } = config;
  if (upstream.kind === "static") return new StaticResolver({ host: upstream.host, port: upstream.port });
  return new SentinelResolver(
    {
      nodes: upstream.nodes,
      master: upstream.master,
      login: {
        username: upstream.sentinelUsername,
        password: upstream.sentinelPassword,
        optional: upstream.sentinelLoginOptional,
      },
      serverLogin: { username: upstream.username, password: upstream.password },
      tls,
      timeoutMs: config.sentinelTimeoutMs,
    },
    log,
    meter,
    clock,
  );
}

function readCa(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new KeyframeError("config", `KEYFRAME_UPSTREAM_CA: ${(error as Error).message}`, { cause: error });
  }
}
