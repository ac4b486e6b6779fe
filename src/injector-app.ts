/** The composition root of the injector: certificate, webhook, probes and metrics, started in order, ended in reverse. */
import { setTimeout as sleep } from "node:timers/promises";
import { startAdmin } from "./admin/server.js";
import type { InjectorConfig } from "./config/injector.js";
import type { Log } from "./core/ports.js";
import { CertificateFiles } from "./injector/certificate.js";
import { injectorCatalog } from "./injector/metrics.js";
import { startWebhook } from "./injector/server.js";
import { Metrics } from "./metrics/registry.js";

export interface Injector {
  readonly listen: string;
  readonly admin: string;
  drain(reason: string): Promise<void>;
}

/** @throws KeyframeError "config" where the certificate cannot be used; Error when an address is in use */
export async function startInjector(config: InjectorConfig, log: Log): Promise<Injector> {
  const metrics = new Metrics({ process: true, catalog: injectorCatalog });
  const { tlsCert: certFile, tlsKey: keyFile, tlsReloadMs: everyMs } = config;
  const certificate = new CertificateFiles({ certFile, keyFile, everyMs }, log, metrics);
  const webhook = await startWebhook(config, await certificate.load(), log, metrics);
  certificate.watch((pair) => webhook.renew(pair));

  let draining = false;
  const ready = () => {
    const reasons = draining ? ["draining"] : certificate.expiresAt < Date.now() ? ["the certificate has expired"] : [];
    return { ready: reasons.length === 0, reasons };
  };
  metrics.gauge("keyframe_injector_ready", () => Number(ready().ready));
  const admin = await startAdmin({ ...config.admin, ready, metrics, log });
  return {
    listen: webhook.address,
    admin: admin.address,
    async drain() {
      draining = true;
      // The API server goes on asking until it has heard that this pod is no endpoint any more.
      const delay = Math.min(config.drainDelayMs, config.drainTimeoutMs);
      await sleep(delay);
      certificate.close();
      await webhook.close(config.drainTimeoutMs - delay);
      await admin.close();
      metrics.close();
    },
  };
}
