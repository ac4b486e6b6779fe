/** The two objects of a cluster that the certificates' job touches, over the Kubernetes client. */
import {
  AdmissionregistrationV1Api,
  ApiException,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  type V1Secret,
} from "@kubernetes/client-node";
import type { Issued } from "./issue.js";
import type { Cluster } from "./renew.js";

const files = { ca: "ca.crt", cert: "tls.crt", key: "tls.key" } as const;

const encoded = (text: string): string => Buffer.from(text).toString("base64");
const decoded = (text: string | undefined): string => Buffer.from(text ?? "", "base64").toString();

/** The cluster of the pod's own account, or of KUBECONFIG. */
export function connect(): Cluster {
  const config = new KubeConfig();
  config.loadFromDefault();
  const core = config.makeApiClient(CoreV1Api);
  const admission = config.makeApiClient(AdmissionregistrationV1Api);
  let read: V1Secret | undefined;
  let webhooks: readonly string[] = [];
  return {
    async readSecret(namespace, name) {
      read = await known(core.readNamespacedSecret({ namespace, name }));
      const text = (file: string) => decoded(read?.data?.[file]);
      return read && { ca: text(files.ca), cert: text(files.cert), key: text(files.key) };
    },
    async writeSecret(namespace, name, issued: Issued) {
      const data = Object.fromEntries(
        (["ca", "cert", "key"] as const).map((part) => [files[part], encoded(issued[part])]),
      );
      if (read === undefined) {
        const body = { metadata: { name, namespace }, type: "kubernetes.io/tls", data };
        await told(core.createNamespacedSecret({ namespace, body }));
        return;
      }
      // With the version that was read, so that two jobs at once cannot mix their files.
      await told(core.replaceNamespacedSecret({ namespace, name, body: { ...read, data: { ...read.data, ...data } } }));
    },
    async readBundles(name) {
      const found = await known(admission.readMutatingWebhookConfiguration({ name }));
      webhooks = found?.webhooks?.map((webhook) => webhook.name) ?? [];
      return found?.webhooks?.map(({ clientConfig }) => decoded(clientConfig.caBundle)) ?? (found && []);
    },
    async writeBundle(name, bundle) {
      const body = webhooks.flatMap((webhook, i) => [
        { op: "test", path: `/webhooks/${i}/name`, value: webhook },
        { op: "add", path: `/webhooks/${i}/clientConfig/caBundle`, value: encoded(bundle) },
      ]);
      const options = setHeaderOptions("Content-Type", PatchStrategy.JsonPatch);
      await told(admission.patchMutatingWebhookConfiguration({ name, body }, options));
    },
  };
}

/** An answer, or undefined where the API says that there is no such thing. */
async function known<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await told(answer);
  } catch (error) {
    if (error instanceof RefusedError && error.status === 404) return undefined;
    throw error;
  }
}

/** What the API refused, without the request: that holds the key. */
export class RefusedError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ApiException)) throw error;
    throw new RefusedError(error.code, `the API answered ${error.code}: ${messageOf(error.body)}`);
  }
}

function messageOf(body: unknown): string {
  const read = typeof body === "string" ? attempt(body) : body;
  const message = typeof read === "object" && read !== null && "message" in read ? read.message : undefined;
  return typeof message === "string" ? message.slice(0, 500) : "no reason given";
}

function attempt(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
