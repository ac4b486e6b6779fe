/**
 * `npm run e2e:cluster`: the chart on a real API server. What is real and what is not is in README.md here. The stories
 * share one cluster and follow each other; a story that fails does not keep the next ones from being told.
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chart, conform, helm, helmEnv, kustomize } from "../deploy/manifests.mjs";
import { endEverything, stopEverything, until } from "../e2e/processes.mjs";
import { Refused } from "./api.mjs";
import { startControlPlane } from "./control-plane.mjs";
import { ANNOTATION, appEnv, asked, barePod, deployment, EVICTABLE, job, STATUS } from "./objects.mjs";
import { keyframe, metric, mount, startWebhook } from "./webhook.mjs";

const RELEASE = "keyframe-injector";
const SYSTEM = "keyframe";
const CHAT = "chat";
const SERVICE = `${RELEASE}.${SYSTEM}.svc`;
const SECRET = `${RELEASE}-tls`;
const CONFIGURATION = RELEASE;
const CERTS = ["injector-certs", `--namespace=${SYSTEM}`, `--service=${RELEASE}`, `--secret=${SECRET}`];
const restricted = { "pod-security.kubernetes.io/enforce": "restricted" };

const began = performance.now();
const say = (text) =>
  process.stderr.write(`cluster ${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s: ${text}\n`);

let cluster;
let api;
let webhook;
let folder;

process.on("exit", endEverything);
for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) {
  process.once(signal, async () => {
    await stopEverything();
    process.exit(code);
  });
}

before(
  async () => {
    cluster = await startControlPlane(say);
    api = cluster.api;
    folder = join(cluster.place, "tls");
    await api.namespace(SYSTEM, restricted);
    await api.namespace(CHAT, restricted);
  },
  { timeout: 240_000 },
);

after(async () => {
  await webhook?.stop();
  await stopEverything();
});

const sidecarOf = (pod) =>
  [...(pod.spec.initContainers ?? []), ...pod.spec.containers].find(({ name }) => name === "keyframe");
const envOf = (pod, name, container = "open-webui") =>
  [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]
    .find((one) => one.name === container)
    .env?.find((one) => one.name === name);

/** What a namespace's pods and Jobs are waiting for, for a message. */
async function stateOf(namespace) {
  const pods = await api.list("v1", "Pod", namespace);
  const jobs = await api.list("batch/v1", "Job", namespace);
  return [...pods, ...jobs]
    .map(({ kind, metadata, status }) => `\n${kind} ${metadata.name}: ${JSON.stringify(status)}`)
    .join("");
}

/** Runs helm against the cluster and gives its output. */
async function helmIn(...args) {
  const env = { ...helmEnv, KUBECONFIG: cluster.kubeconfig() };
  const { code, stdout, stderr } = await helm([...args, "--namespace", SYSTEM], { env });
  assert.equal(code, 0, `${stdout}${stderr}${code === 0 ? "" : await stateOf(SYSTEM)}`);
  return stdout;
}

/** `keyframe injector-certs` with the rights that the chart gives to its jobs, and no others. */
async function certs(account, ...args) {
  const token = await api.tokenOf(account, SYSTEM);
  const KUBECONFIG = cluster.kubeconfig(token);
  return keyframe([...CERTS, ...args], { env: { KUBECONFIG }, place: cluster.place, name: "injector-certs" });
}

const isReady = (pod) => pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True");

/**
 * The pods of a Deployment once as many as it wants are ready, none other is left, and `fits` says yes to all of them.
 */
function settled(name, what, fits = () => true) {
  return until(`pods of ${name}: ${what}`, async () => {
    const pods = await api.list("v1", "Pod", CHAT, `app=${name}`);
    const whole = pods.length === 2 && pods.every((pod) => isReady(pod) && !pod.metadata.deletionTimestamp);
    return whole && pods.every(fits) && pods;
  });
}
const hasSidecar = (pod) => sidecarOf(pod) !== undefined;
const hasNone = (pod) => sidecarOf(pod) === undefined;

/** What has to be true of every pod that was given a sidecar. */
async function assertInjected(pods) {
  for (const pod of pods) {
    const sidecar = pod.spec.initContainers?.[0];
    assert.equal(sidecar?.name, "keyframe", `no sidecar in ${pod.metadata.name}`);
    assert.equal(sidecar.restartPolicy, "Always");
    assert.equal(pod.metadata.annotations[STATUS].split(/[ ,]/)[0], "injected");
    assert.equal(pod.metadata.annotations["kubectl.kubernetes.io/default-container"], "open-webui");
    assert.equal(envOf(pod, "WEBSOCKET_REDIS_URL").value, "redis://127.0.0.1:6380/1");
    assert.equal(envOf(pod, "REDIS_URL").value, "redis://127.0.0.1:6380/0");
    // The API server does not keep an empty value.
    for (const name of ["WEBSOCKET_SENTINEL_HOSTS", "REDIS_SENTINEL_HOSTS"])
      assert.equal(envOf(pod, name).value ?? "", "");
    assert.ok(sidecar.ports.some(({ name, containerPort }) => name === "keyframe-admin" && containerPort === 9465));
    assert.equal(
      envOf(pod, "KEYFRAME_UPSTREAM", "keyframe").value,
      "redis://default:$(VALKEY_PASSWORD)@mymaster:6379/0",
    );
    assert.equal(envOf(pod, "KEYFRAME_SENTINEL_HOSTS", "keyframe").value, "sentinel-0.sentinel,sentinel-1.sentinel");
    assert.deepEqual(envOf(pod, "VALKEY_PASSWORD", "keyframe"), appEnv[0]);
    assert.equal(sidecar.image, "keyframe:0.1.0");
    const state = { name: "keyframe-state", mountPath: "/var/run/keyframe" };
    assert.equal(envOf(pod, "KEYFRAME_STATE_DIR", "keyframe").value, state.mountPath);
    assert.ok(sidecar.volumeMounts.some(({ name, mountPath }) => name === state.name && mountPath === state.mountPath));
    const volume = pod.spec.volumes.find(({ name }) => name === state.name);
    assert.deepEqual(volume.emptyDir, { sizeLimit: "16Mi" });
    assert.equal(pod.metadata.annotations[EVICTABLE], state.name);
    assert.deepEqual(envOf(pod, "KEYFRAME_KEY_PREFIX", "keyframe").value, "chat");
    assert.deepEqual(envOf(pod, "REDIS_KEY_PREFIX").value, "chat");
  }
  const { code, output, valid } = await conform(pods);
  assert.equal(code, 0, output);
  assert.equal(valid, pods.length, output);
}

/** The authority that has just been replaced is trusted beside the new one, until the next renewal. */
function assertTrusts(configuration, secret) {
  const text = (base64) => Buffer.from(base64 ?? "", "base64").toString();
  assert.ok(text(configuration.webhooks[0].clientConfig.caBundle).includes(text(secret.data["ca.crt"]).trim()));
}

function assertPlain(pods) {
  for (const pod of pods) {
    assert.equal(sidecarOf(pod), undefined, pod.metadata.name);
    assert.deepEqual(pod.spec.containers[0].env, appEnv);
    assert.ok(!pod.spec.volumes?.some(({ name }) => name === "keyframe-state"));
    assert.equal(pod.metadata.annotations?.[EVICTABLE], undefined);
  }
}

test("helm installs the chart into a namespace under Pod Security restricted", async () => {
  const out = await helmIn("install", "keyframe", chart, "--wait", "--timeout", "90s");
  assert.match(out, /STATUS: deployed/);
  assert.match(out, /Annotate the pod template/);
  const { status } = await api.get("apps/v1", "Deployment", RELEASE, SYSTEM);
  assert.equal(status.readyReplicas, 2);
  const configuration = await api.get("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", CONFIGURATION);
  assert.equal(configuration.webhooks[0].failurePolicy, "Ignore");
  // The hooks' own objects have gone with them.
  assert.equal(await api.find("v1", "ServiceAccount", "keyframe-certs-install", SYSTEM), undefined);
  assert.deepEqual(await api.list("batch/v1", "Job", SYSTEM), []);
  const budget = await until("the budget", async () => {
    const found = await api.get("policy/v1", "PodDisruptionBudget", RELEASE, SYSTEM);
    return found.status.expectedPods === 2 && found;
  });
  assert.equal(budget.status.disruptionsAllowed, 1);
});

test("before there is a certificate pods start without a sidecar", async () => {
  const pod = await api.create(barePod("early", CHAT, asked));
  assert.equal(sidecarOf(pod), undefined);
});

test("injector-certs makes the Secret and patches the authority with the rights of the chart's jobs", async () => {
  const { code, output } = await certs("keyframe-certs", `--webhook-configuration=${CONFIGURATION}`);
  assert.equal(code, 0, output);
  const secret = await api.get("v1", "Secret", SECRET, SYSTEM);
  const pem = (name) => Buffer.from(secret.data[name], "base64").toString();
  const certificate = new X509Certificate(pem("tls.crt"));
  assert.ok(certificate.checkHost(SERVICE), certificate.subjectAltName);
  assert.ok(certificate.verify(new X509Certificate(pem("ca.crt")).publicKey));
  const configuration = await api.get("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", CONFIGURATION);
  assertTrusts(configuration, secret);
  // Once more changes nothing.
  const again = await certs("keyframe-certs", `--webhook-configuration=${CONFIGURATION}`);
  assert.equal(again.code, 0, again.output);
  const after = await api.get("v1", "Secret", SECRET, SYSTEM);
  assert.equal(after.metadata.resourceVersion, secret.metadata.resourceVersion);
});

test("the rights of the jobs end at that Secret and that configuration", async () => {
  const job = api.as(await api.tokenOf("keyframe-certs", SYSTEM));
  const denied = (promise) => assert.rejects(promise, (error) => error instanceof Refused && error.status === 403);
  await denied(job.list("v1", "Secret", SYSTEM));
  await denied(job.get("v1", "Secret", SECRET, CHAT));
  await denied(job.get("v1", "Secret", "other", SYSTEM));
  await denied(job.list("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"));
  await denied(job.list("v1", "Pod", CHAT));
  const injector = api.as(await api.tokenOf(RELEASE, SYSTEM));
  await denied(injector.get("v1", "Secret", SECRET, SYSTEM));
  await denied(injector.list("v1", "Pod", CHAT));
});

test("the API server reaches the webhook by its Service and trusts it", async () => {
  mount(await api.get("v1", "Secret", SECRET, SYSTEM), folder);
  const own = await api.get("apps/v1", "Deployment", RELEASE, SYSTEM);
  webhook = await startWebhook({ deployment: own, folder, place: cluster.place });
  cluster.tunnel.to(webhook.port);
  // The API server may have heard of the authority a moment later than we have.
  await until("the first sidecar", async () => {
    const pod = await api.create(barePod("first", CHAT, asked), { dryRun: true });
    return sidecarOf(pod);
  });
});

test("the pods of an annotated Deployment get their sidecar, those of a plain one do not", async () => {
  await api.create(deployment("annotated", CHAT, asked));
  await api.create(deployment("plain", CHAT));
  await assertInjected(await settled("annotated", "ready"));
  const plain = await settled("plain", "ready");
  assertPlain(plain);
  for (const { metadata } of plain) assert.equal(metadata.annotations?.[STATUS], undefined);
});

test("the API server does not ask about pods without an annotation", async () => {
  const before = cluster.tunnel.asked.length;
  const counted = await metric(webhook, 'keyframe_injector_reviews_total{reason="not_requested"}');
  await api.create(barePod("unasked", CHAT));
  assert.equal(cluster.tunnel.asked.length, before);
  assert.equal(await metric(webhook, 'keyframe_injector_reviews_total{reason="not_requested"}'), counted);
});

test("a label asks for a sidecar as well as the annotation does", async () => {
  const pod = barePod("labelled", CHAT);
  pod.metadata.labels[ANNOTATION] = "true";
  assert.ok(sidecarOf(await api.create(pod)));
});

test("a deleted pod comes back with its sidecar", async () => {
  const [{ metadata }] = await settled("annotated", "ready");
  await api.remove("v1", "Pod", metadata.name, CHAT);
  await assertInjected(await settled("annotated", "another one", (pod) => pod.metadata.uid !== metadata.uid));
});

test("deleting the one annotation takes the sidecar away, setting it again brings it back", async () => {
  const annotate = (value) =>
    api.merge("apps/v1", "Deployment", "annotated", CHAT, {
      spec: { template: { metadata: { annotations: { [ANNOTATION]: value } } } },
    });
  await annotate(null);
  assertPlain(await settled("annotated", "without a sidecar", hasNone));
  await annotate("true");
  await assertInjected(await settled("annotated", "with a sidecar", hasSidecar));
});

test("an annotated Job gets a native sidecar and ends", async () => {
  await api.create(job("annotated-job", CHAT, asked));
  await until("the Job's end", async () => {
    const { status } = await api.get("batch/v1", "Job", "annotated-job", CHAT);
    return status.succeeded === 1;
  });
  await assertInjected(await api.list("v1", "Pod", CHAT, "app=annotated-job"));
});

test("a bare pod is changed at once, and what comes out of it passes through unchanged", async () => {
  const pod = await api.create(barePod("bare", CHAT, asked));
  await assertInjected([pod]);
  const { name, namespace, annotations, labels } = pod.metadata;
  const { nodeName: _, ...spec } = pod.spec;
  const copy = await api.create({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${name}-again`, namespace, annotations, labels },
    spec,
  });
  assert.deepEqual({ ...copy.spec, nodeName: undefined }, { ...spec, nodeName: undefined });
  assert.equal(copy.metadata.annotations[STATUS], annotations[STATUS]);
});

test("a server-side dry run shows the sidecar and stores nothing", async () => {
  const pod = await api.create(barePod("dry", CHAT, asked), { dryRun: true });
  await assertInjected([pod]);
  assert.equal(await api.find("v1", "Pod", "dry", CHAT), undefined);
});

test("an annotation that cannot be understood is told to the user, and the pod starts", async () => {
  const annotations = { ...asked, "keyframe.dev/memory": "plenty" };
  const { body, warnings } = await api.create(barePod("mistaken", CHAT, annotations), { withWarnings: true });
  assert.equal(sidecarOf(body), undefined);
  assert.match(warnings.join(), /keyframe\.dev\/memory/);
  assert.equal(body.metadata.annotations[STATUS].split(/[ ,]/)[0], "bad_annotation");
});

test("a pod on its host's network is left alone, with the reason", async () => {
  await api.namespace("host");
  const { body, warnings } = await api.create(barePod("host", "host", asked, { hostNetwork: true }), {
    withWarnings: true,
  });
  assert.equal(sidecarOf(body), undefined);
  assert.match(warnings.join(), /host's network/);
});

test("pods of the cluster and of the injector's own namespace are never asked about", async () => {
  const before = cluster.tunnel.asked.length;
  for (const namespace of ["kube-system", SYSTEM]) {
    assert.equal(sidecarOf(await api.create(barePod("own", namespace, asked), { dryRun: true })), undefined);
  }
  assert.equal(cluster.tunnel.asked.length, before);
});

/** The webhook anew, at the same port, which the tunnel leads to. */
async function restartWebhook(between = async () => {}) {
  const { port } = webhook;
  await webhook.stop();
  try {
    await between();
  } finally {
    const own = await api.get("apps/v1", "Deployment", RELEASE, SYSTEM);
    webhook = await startWebhook({ deployment: own, folder, place: cluster.place, port });
  }
}

test("while the webhook is away every pod starts, within its timeout, and afterwards all get sidecars again", async () => {
  await restartWebhook(async () => {
    const from = performance.now();
    assert.ok(hasNone(await api.create(barePod("away-alone", CHAT, asked))));
    const took = performance.now() - from;
    assert.ok(took < 15_000, `${took} ms`);
    await api.create(deployment("away", CHAT, asked));
    assertPlain(await settled("away", "ready without a sidecar", hasNone));
  });
  const again = { spec: { template: { metadata: { annotations: { again: "1" } } } } };
  await api.merge("apps/v1", "Deployment", "away", CHAT, again);
  await assertInjected(await settled("away", "with a sidecar", hasSidecar));
});

test("a renewed certificate is used without a restart, and the API server goes along", async () => {
  const old = await api.get("v1", "Secret", SECRET, SYSTEM);
  const loads = 'keyframe_injector_certificate_loads_total{outcome="used"}';
  const before = await metric(webhook, loads);
  const { code, output } = await certs(
    "keyframe-certs",
    `--webhook-configuration=${CONFIGURATION}`,
    "--renew-before=8760h",
  );
  assert.equal(code, 0, output);
  const renewed = await api.get("v1", "Secret", SECRET, SYSTEM);
  assert.notEqual(renewed.data["tls.crt"], old.data["tls.crt"]);
  mount(renewed, folder);
  await until("the new certificate", async () => (await metric(webhook, loads)) > before);
  // The API server goes on with the connection that it has. Once that is cut it must trust the new certificate.
  cluster.tunnel.cut();
  const asksBefore = cluster.tunnel.asked.length;
  await until("a sidecar over the new certificate", async () =>
    sidecarOf(await api.create(barePod("renewed", CHAT, asked), { dryRun: true })),
  );
  assert.ok(cluster.tunnel.asked.length > asksBefore, "no new connection was made");
});

test("the reference deployment is accepted, and its Open WebUI gets sidecars", async () => {
  const { objects } = await kustomize("deploy/examples/open-webui-ha");
  for (const object of objects) await api.apply(object);
  const namespace = "open-webui";
  const pods = await until("three pods of Open WebUI", async () => {
    const found = await api.list("v1", "Pod", namespace, "app.kubernetes.io/name=open-webui");
    return found.length === 3 && found;
  });
  for (const pod of pods) {
    assert.ok(sidecarOf(pod), pod.metadata.name);
    assert.equal(envOf(pod, "WEBSOCKET_REDIS_URL").value, "redis://127.0.0.1:6380/1");
    assert.equal(envOf(pod, "REDIS_URL").value, "redis://127.0.0.1:6380/0");
  }
  const [migration] = await until("the migration's pod", async () => {
    const found = await api.list("v1", "Pod", namespace, "job-name=open-webui-migrate");
    return found.length > 0 && found;
  });
  assert.equal(sidecarOf(migration), undefined);
  const { code, output } = await conform(pods);
  assert.equal(code, 0, output);
});

test("an upgrade keeps the authority, and an uninstall leaves pods that start", async () => {
  await helmIn("upgrade", "keyframe", chart, "--set", "injector.replicas=3", "--wait", "--timeout", "90s");
  const configuration = await api.get("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", CONFIGURATION);
  const secret = await api.get("v1", "Secret", SECRET, SYSTEM);
  assertTrusts(configuration, secret);
  assert.equal((await api.get("apps/v1", "Deployment", RELEASE, SYSTEM)).status.readyReplicas, 3);
  assert.ok(sidecarOf(await api.create(barePod("upgraded", CHAT, asked), { dryRun: true })));

  await helmIn("uninstall", "keyframe", "--wait");
  for (const [version, kind, namespace] of [
    ["admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"],
    ["apps/v1", "Deployment", SYSTEM],
    ["batch/v1", "CronJob", SYSTEM],
    ["policy/v1", "PodDisruptionBudget", SYSTEM],
  ]) {
    assert.equal((await api.list(version, kind, namespace)).length, 0, kind);
  }
  const left = await api.list(
    "rbac.authorization.k8s.io/v1",
    "ClusterRole",
    undefined,
    "app.kubernetes.io/instance=keyframe",
  );
  assert.deepEqual(left, []);
  assert.equal(sidecarOf(await api.create(barePod("afterwards", CHAT, asked))), undefined);
});

test("a webhook outside the cluster is called by its URL, with an authority of the values", async () => {
  const own = join(cluster.place, "own-tls");
  const made = await keyframe(["injector-certs", `--dir=${own}`], { place: cluster.place, name: "own-certs" });
  assert.equal(made.code, 0, made.output);
  // The port must be known before there is a Deployment to take the webhook's settings from.
  const { port } = webhook;
  await webhook.stop();
  await helmIn(
    ...["install", "keyframe", chart, "--wait", "--timeout", "90s"],
    ...["--set", `webhook.url=https://127.0.0.1:${port}/mutate`],
    ...["--set", "certificates.mode=existing", "--set", "certificates.secretName=own"],
    ...["--set-file", `certificates.caBundle=${join(own, "ca.crt")}`],
  );
  const deployed = await api.get("apps/v1", "Deployment", RELEASE, SYSTEM);
  webhook = await startWebhook({ deployment: deployed, folder: own, place: cluster.place, port });
  const throughTunnel = cluster.tunnel.asked.length;
  await until("a sidecar by way of the URL", async () =>
    sidecarOf(await api.create(barePod("by-url", CHAT, asked), { dryRun: true })),
  );
  assert.equal(cluster.tunnel.asked.length, throughTunnel);
  await helmIn("uninstall", "keyframe", "--wait");
});

test("the kustomize base is accepted as well", async () => {
  const { objects } = await kustomize("deploy/kustomize/base");
  for (const object of objects) await api.apply(object);
  await until("two injectors", async () => {
    const { status } = await api.get("apps/v1", "Deployment", RELEASE, SYSTEM);
    return status.readyReplicas === 2;
  });
});
