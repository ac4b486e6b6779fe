/**
 * The kustomize base from the chart, so that the two never differ: what `helm template` says with default values, one
 * file for each object, without what belongs to Helm. The hook jobs become one plain Job; the CronJob renews.
 */
import { parseAllDocuments, stringify } from "yaml";

const NOTE = "# Made from deploy/chart by `npm run deploy:generate`; change the chart, not this file.\n";

function withoutHelm(object) {
  const clean = (metadata) => {
    if (!metadata) return;
    for (const name of ["helm.sh/chart", "app.kubernetes.io/managed-by"]) delete metadata.labels?.[name];
    for (const name of Object.keys(metadata.annotations ?? {})) {
      if (name.startsWith("helm.sh/")) delete metadata.annotations[name];
    }
    if (metadata.annotations && Object.keys(metadata.annotations).length === 0) delete metadata.annotations;
    // The overlay's namespace is put in by kustomize, and references follow it.
  };
  clean(object.metadata);
  clean(object.spec?.template?.metadata);
  clean(object.spec?.jobTemplate?.spec?.template?.metadata);
  return object;
}

/** Of the hook's objects only the last job is of use where nothing runs before anything else. */
function wanted(object) {
  const hook = object.metadata.annotations?.["helm.sh/hook"];
  return hook === undefined || (object.kind === "Job" && hook.startsWith("post-"));
}

/**
 * @param {string} rendered what `helm template keyframe deploy/chart --namespace keyframe` printed
 * @returns {Map<string, string>} file name -> text, kustomization.yaml among them
 */
export function kustomizeBase(rendered) {
  const objects = parseAllDocuments(rendered)
    .map((document) => document.toJSON())
    .filter((object) => object?.kind && wanted(object));
  const files = new Map();
  for (const object of objects) {
    const short = object.metadata.name.replace(/^keyframe-/, "").replace(/-keyframe$/, "");
    const file = `${object.kind.toLowerCase()}-${short}.yaml`;
    if (files.has(file)) throw new Error(`two objects for ${file}`);
    files.set(file, NOTE + stringify(withoutHelm(object), { lineWidth: 0 }));
  }
  const namespace = {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: "keyframe",
      labels: { "pod-security.kubernetes.io/enforce": "restricted" },
    },
  };
  files.set("namespace.yaml", NOTE + stringify(namespace));
  const resources = ["namespace.yaml", ...[...files.keys()].filter((name) => name !== "namespace.yaml").sort()];
  files.set(
    "kustomization.yaml",
    NOTE + stringify({ apiVersion: "kustomize.config.k8s.io/v1beta1", kind: "Kustomization", resources }),
  );
  return files;
}
