/** As much of a client of the Kubernetes API as the stories need: JSON over HTTPS, with what the server warns of. */
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { until } from "../e2e/processes.mjs";

/** A refusal of the API server, with its status code and its own sentence. */
export class Refused extends Error {
  constructor(status, body, what) {
    super(`${what}: ${status} ${body?.message ?? JSON.stringify(body)}`);
    this.status = status;
    this.reason = body?.reason;
  }
}

export class Api {
  #url;
  #token;
  #authority;
  #agent;
  #kinds = new Map();

  constructor({ url, authority, token }) {
    this.#url = url;
    this.#authority = authority;
    this.#token = token;
  }

  /** The same server for somebody else. */
  as(token) {
    return new Api({ url: this.#url, authority: this.#authority, token });
  }

  /** One request. Resolves to { status, body, warnings }; `body` is parsed where it is JSON. */
  raw(method, path, body, type = "application/json") {
    // The certificate is made by the server itself, so it cannot be read before the server has begun.
    this.#agent ??= new Agent({ ca: readFileSync(this.#authority), keepAlive: false });
    return new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${this.#token}`, accept: "application/json", "content-type": type };
      const sent = request(
        new URL(path, this.#url),
        { method, agent: this.#agent, headers, timeout: 60_000 },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (part) => {
            text += part;
          });
          response.on("error", reject);
          response.on("end", () => {
            const json = /json/.test(response.headers["content-type"] ?? "");
            const warnings = [response.headers.warning ?? []].flat();
            resolve({ status: response.statusCode, body: json ? JSON.parse(text) : text, warnings });
          });
        },
      );
      sent.on("timeout", () => sent.destroy(new Error(`${method} ${path}: no answer`)));
      sent.on("error", reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async #call(method, path, body, type) {
    const result = await this.raw(method, path, body, type);
    if (result.status >= 300) throw new Refused(result.status, result.body, `${method} ${path}`);
    return result;
  }

  /** Path of a kind's objects, as the server itself says. */
  async #path(apiVersion, kind, namespace, name) {
    const key = `${apiVersion}/${kind}`;
    const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    if (!this.#kinds.has(key)) {
      const { body } = await this.#call("GET", root);
      const found = body.resources.find((one) => one.kind === kind && !one.name.includes("/"));
      if (!found) throw new Error(`the server has no ${key}`);
      this.#kinds.set(key, found);
    }
    const { name: plural, namespaced } = this.#kinds.get(key);
    const within = namespaced && namespace ? `/namespaces/${namespace}` : "";
    return `${root}${within}/${plural}${name ? `/${name}` : ""}`;
  }

  async #pathOf({ apiVersion, kind, metadata }, named) {
    return this.#path(apiVersion, kind, metadata.namespace, named ? metadata.name : undefined);
  }

  async get(apiVersion, kind, name, namespace) {
    return (await this.#call("GET", await this.#path(apiVersion, kind, namespace, name))).body;
  }

  /** An object, or undefined where there is none. */
  async find(apiVersion, kind, name, namespace) {
    const { status, body } = await this.raw("GET", await this.#path(apiVersion, kind, namespace, name));
    if (status === 404) return undefined;
    if (status >= 300) throw new Refused(status, body, `GET ${kind} ${name}`);
    return body;
  }

  async list(apiVersion, kind, namespace, labels = "") {
    const path = await this.#path(apiVersion, kind, namespace);
    const { items } = (await this.#call("GET", `${path}?labelSelector=${encodeURIComponent(labels)}`)).body;
    // A list says once what all its objects are.
    return items.map((item) => ({ apiVersion, kind, ...item }));
  }

  /** Creates an object. Resolves to what was stored; `withWarnings` gives { body, warnings }. */
  async create(object, { dryRun = false, withWarnings = false } = {}) {
    const path = `${await this.#pathOf(object, false)}${dryRun ? "?dryRun=All" : ""}`;
    const result = await this.#call("POST", path, object);
    return withWarnings ? result : result.body;
  }

  /** Server-side apply. */
  async apply(object) {
    const path = `${await this.#pathOf(object, true)}?fieldManager=test&force=true`;
    return (await this.#call("PATCH", path, object, "application/apply-patch+yaml")).body;
  }

  async merge(apiVersion, kind, name, namespace, patch) {
    const path = await this.#path(apiVersion, kind, namespace, name);
    return (await this.#call("PATCH", path, patch, "application/merge-patch+json")).body;
  }

  async remove(apiVersion, kind, name, namespace) {
    await this.#call("DELETE", await this.#path(apiVersion, kind, namespace, name));
  }

  /** A token for a ServiceAccount, as its pods would have it. */
  async tokenOf(name, namespace) {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const review = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 3600 } };
    return (await this.#call("POST", path, review)).body.status.token;
  }

  /** Waits until a namespace can take pods: the controller has made its ServiceAccount. */
  async namespace(name, labels = {}) {
    await this.create({ apiVersion: "v1", kind: "Namespace", metadata: { name, labels } });
    await until(`the ServiceAccount of ${name}`, () => this.find("v1", "ServiceAccount", "default", name));
  }
}
