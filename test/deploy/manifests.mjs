/** Rendering and judging manifests: helm, kustomize and kubeconform as the project builds them, without a network. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { schemas } from "../setup/deploy.mjs";
import { goTool, kubernetesVersion } from "../setup/go.mjs";
import { cache, root } from "../setup/lib.mjs";

export const chart = join(root, "deploy", "chart");

/** Kinds of operators, for which Kubernetes itself has no schema. */
const OPERATORS = ["PodMonitor", "PrometheusRule", "Certificate", "Issuer"];

// helm looks for plug-ins and repositories of its user's; there are none to be found here.
const helmHome = join(cache, "helm");
export const helmEnv = {
  PATH: process.env.PATH,
  HOME: helmHome,
  HELM_CACHE_HOME: join(helmHome, "cache"),
  HELM_CONFIG_HOME: join(helmHome, "config"),
  HELM_DATA_HOME: join(helmHome, "data"),
};

/** Runs a program with text as its input. Resolves to { code, stdout, stderr }. */
export function pipe(file, args, { input = "", env = process.env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}

export function helm(args, options = {}) {
  mkdirSync(helmHome, { recursive: true });
  return pipe(goTool("helm"), args, { env: helmEnv, ...options });
}

/** `helm template` with values as an object. Resolves to { code, text, objects, stderr }. */
export async function template(
  values = {},
  { version = kubernetesVersion, namespace = "keyframe", release = "keyframe" } = {},
) {
  const place = mkdtempSync(join(tmpdir(), "keyframe-values-"));
  try {
    const file = join(place, "values.json");
    writeFileSync(file, JSON.stringify(values));
    const args = ["template", release, chart, "--namespace", namespace, "--kube-version", version, "--values", file];
    const { code, stdout, stderr } = await helm(args);
    return { code, text: stdout, objects: objectsOf(stdout), stderr };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

export async function kustomize(folder) {
  const { code, stdout, stderr } = await pipe(goTool("kustomize"), ["build", join(root, folder)]);
  return { code, text: stdout, objects: code === 0 ? objectsOf(stdout) : [], stderr };
}

export function objectsOf(text) {
  return parseAllDocuments(text)
    .map((document) => document.toJSON())
    .filter((object) => object?.kind);
}

/**
 * Validates manifests strictly (unknown fields are errors). Takes text, or a list of objects.
 * Resolves to { code, output, valid } with the number of resources that were really checked.
 */
export async function conform(manifests) {
  const input =
    typeof manifests === "string" ? manifests : manifests.map((object) => JSON.stringify(object)).join("\n---\n");
  const { code, stdout, stderr } = await pipe(
    goTool("kubeconform"),
    [
      ...["-strict", "-summary", "-kubernetes-version", kubernetesVersion, "-skip", OPERATORS.join(",")],
      ...["-schema-location", `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`, "-"],
    ],
    { input },
  );
  return { code, output: `${stdout}${stderr}`, valid: Number(/Valid: (\d+)/.exec(stdout)?.[1] ?? 0) };
}
