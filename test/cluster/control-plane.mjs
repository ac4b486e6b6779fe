/**
 * A real control plane on 127.0.0.1, for one run: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok
 * in place of kubelets, so that pods get bound, start, become ready and end without a container anywhere.
 */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, start, temporaryDirectory, until } from "../e2e/processes.mjs";
import { goModule, goTool, kwokVersion } from "../setup/go.mjs";
import { Api } from "./api.mjs";
import { startTunnel } from "./tunnel.mjs";

const NODES = ["node-a", "node-b", "node-c"];

/** kwok's stages for nodes and pods: as fast as it can, pods ready at once, pods of Jobs done at once. */
async function stages() {
  const home = join(await goModule("sigs.k8s.io/kwok", kwokVersion), "kustomize", "stage");
  const texts = ["node/fast", "node/heartbeat-with-lease", "pod/fast"].flatMap((folder) =>
    readdirSync(join(home, folder))
      .filter((name) => name.endsWith(".yaml") && name !== "kustomization.yaml")
      .map((name) => readFileSync(join(home, folder, name), "utf8")),
  );
  return texts.join("\n---\n");
}

function kubeconfig({ url, authority, token }) {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    clusters: [{ name: "test", cluster: { server: url, "certificate-authority": authority } }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
  });
}

/**
 * Starts everything. Resolves to the cluster: `api` (as an administrator), `kubeconfig(token?)` (path of a file), and
 * `tunnel`, through which the API server reaches Services.
 *
 * @param {(text: string) => void} say
 */
export async function startControlPlane(say) {
  const place = await temporaryDirectory("cluster");
  const file = (name, text) => {
    const path = join(place, name);
    if (text !== undefined) writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const run = (name, command, args) =>
    start({
      name,
      command,
      args,
      env: { PATH: process.env.PATH, HOME: place },
      cwd: place,
      logFile: file(`${name}.log`),
    });

  const [etcdPort, peerPort, apiPort] = [await freePort(), await freePort(), await freePort()];
  const etcdUrl = `http://127.0.0.1:${etcdPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const etcd = run("etcd", goTool("etcd"), [
    ...["--name", "test", "--data-dir", file("etcd"), "--unsafe-no-fsync", "--log-level", "warn"],
    ...["--listen-client-urls", etcdUrl, "--advertise-client-urls", etcdUrl],
    ...[
      "--listen-peer-urls",
      peerUrl,
      "--initial-advertise-peer-urls",
      peerUrl,
      "--initial-cluster",
      `test=${peerUrl}`,
    ],
  ]);
  await until("etcd", async () => (await fetch(`${etcdUrl}/health`)).ok, { process: etcd });

  const token = randomBytes(16).toString("hex");
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const accountKey = file("service-accounts.key", privateKey.export({ type: "pkcs8", format: "pem" }));
  const tunnel = await startTunnel(file("tunnel.sock"));
  const egress = {
    apiVersion: "apiserver.k8s.io/v1beta1",
    kind: "EgressSelectorConfiguration",
    egressSelections: [
      {
        name: "cluster",
        connection: { proxyProtocol: "HTTPConnect", transport: { uds: { udsName: file("tunnel.sock") } } },
      },
    ],
  };
  const url = `https://127.0.0.1:${apiPort}`;
  const server = run("kube-apiserver", goTool("kube-apiserver"), [
    `--etcd-servers=${etcdUrl}`,
    ...["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", `--secure-port=${apiPort}`, `--cert-dir=${place}`],
    `--token-auth-file=${file("tokens.csv", `${token},admin,admin,system:masters\n`)}`,
    "--authorization-mode=RBAC",
    `--egress-selector-config-file=${file("egress.json", JSON.stringify(egress))}`,
    ...[`--service-account-key-file=${accountKey}`, `--service-account-signing-key-file=${accountKey}`],
    "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
    ...["--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none"],
  ]);
  // The server has made itself a certificate, with the authority that signed it in the same file.
  const authority = file("apiserver.crt");
  const api = new Api({ url, authority, token });
  await until("the API server", async () => (await api.raw("GET", "/readyz")).status === 200, {
    process: server,
    timeoutMs: 120_000,
  });
  say("the API server is ready");

  let users = 0;
  const kubeconfigFor = (userToken = token) =>
    file(`kubeconfig-${++users}`, kubeconfig({ url, authority, token: userToken }));
  const admin = kubeconfigFor();
  run("kube-controller-manager", goTool("kube-controller-manager"), [
    ...[`--kubeconfig=${admin}`, "--leader-elect=false", "--secure-port=0", `--root-ca-file=${authority}`],
    `--service-account-private-key-file=${accountKey}`,
    // HPAs and Deployments are looked at often, so that a test need not wait.
    "--horizontal-pod-autoscaler-sync-period=1s",
  ]);
  run("kube-scheduler", goTool("kube-scheduler"), [`--kubeconfig=${admin}`, "--leader-elect=false", "--secure-port=0"]);
  const stagesFile = file("stages.yaml", await stages());
  run("kwok", goTool("kwok"), [`--kubeconfig=${admin}`, `--config=${stagesFile}`, "--manage-all-nodes=true"]);

  await until("the API of namespaces", () => api.get("v1", "Namespace", "kube-system"));
  for (const [index, name] of NODES.entries()) await api.create(node(name, index));
  await until("ready nodes", async () => {
    const nodes = await api.list("v1", "Node");
    return nodes.every(({ status }) =>
      status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
    );
  });
  say(`${NODES.length} nodes are ready`);
  return { api, url, authority, tunnel, kubeconfig: kubeconfigFor, place };
}

function node(name, index) {
  const capacity = { cpu: "64", memory: "256Gi", pods: "200", "ephemeral-storage": "1Ti" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": `zone-${"abc"[index % 3]}`,
      },
    },
    status: { capacity, allocatable: capacity },
  };
}
