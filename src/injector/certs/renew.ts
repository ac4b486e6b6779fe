/**
 * Keeps the Secret of the webhook's certificate and the caBundle of its configuration in step. Every state that an
 * interrupted run can leave behind is one from which the next run goes on, and in which the API server trusts what the
 * injector shows: a new authority is trusted before anything is signed by it, and the old one for one renewal longer.
 */
import { bundleOf, certificatesOf, flawOf, type Issued, issue, serviceNames } from "./issue.js";

/** What is asked of a cluster; cluster.ts asks it. */
export interface Cluster {
  /** Undefined where there is no such Secret. */
  readSecret(namespace: string, name: string): Promise<Partial<Issued> | undefined>;
  /** Makes the Secret or puts these into the one that was read. */
  writeSecret(namespace: string, name: string, issued: Issued): Promise<void>;
  /** The caBundle of each webhook, as PEM; undefined where there is no such configuration. */
  readBundles(configuration: string): Promise<readonly string[] | undefined>;
  writeBundle(configuration: string, bundle: string): Promise<void>;
}

export interface RenewOptions {
  readonly namespace: string;
  readonly service: string;
  readonly secret: string;
  readonly webhookConfiguration: string | undefined;
  readonly renewBeforeMs: number;
}

/** Brings both up to date. Returns what was done, in sentences; throws what the cluster refuses. */
export async function renew(cluster: Cluster, options: RenewOptions, now: number): Promise<string[]> {
  const { namespace, service, secret, webhookConfiguration: configuration } = options;
  const names = serviceNames(service, namespace);
  const held = await cluster.readSecret(namespace, secret);
  // Where nobody can be told of a new authority, what still works is left alone.
  const before = configuration === undefined ? 0 : options.renewBeforeMs;
  const flaw = held === undefined ? "does not exist" : flawOf(held, names, before, now);
  const issued = flaw === undefined ? (held as Issued) : await issue(names, now);
  const done: string[] = [];

  if (configuration !== undefined) {
    const bundles = await cluster.readBundles(configuration);
    if (bundles === undefined) throw new Error(`there is no MutatingWebhookConfiguration ${configuration}`);
    const wanted = certificatesOf(issued.ca);
    if (!bundles.every((bundle) => wanted.every((pem) => bundle.includes(pem)))) {
      await cluster.writeBundle(configuration, bundleOf(issued.ca, held?.ca, now));
      done.push(`The caBundle of ${configuration} was set.`);
    }
  }
  if (flaw !== undefined) {
    await cluster.writeSecret(namespace, secret, issued);
    done.push(`The certificate of Secret ${secret} ${flaw}: a new one was written.`);
  }
  return done.length > 0 ? done : ["Nothing to do."];
}
