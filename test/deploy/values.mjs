/** The matrix: values with which the chart must render, and what must be seen then; and values that it must refuse. */
import assert from "node:assert/strict";

const find = (objects, kind, part = "") => objects.find((one) => one.kind === kind && one.metadata.name.includes(part));
const webhook = (objects) => find(objects, "MutatingWebhookConfiguration").webhooks[0];
const injector = (objects) => find(objects, "Deployment").spec.template.spec;
const env = (objects, name) => injector(objects).containers[0].env.find((one) => one.name === name)?.value;

export const rendered = {
  "its own defaults": {
    values: {},
    expect(objects) {
      const { failurePolicy, timeoutSeconds, matchConditions, clientConfig, namespaceSelector } = webhook(objects);
      assert.deepEqual([failurePolicy, timeoutSeconds], ["Ignore", 5]);
      assert.equal(matchConditions.length, 1);
      assert.equal(clientConfig.service.path, "/mutate");
      assert.deepEqual(namespaceSelector.matchExpressions[0].values.toSorted(), [
        "keyframe",
        "kube-node-lease",
        "kube-public",
        "kube-system",
      ]);
      assert.equal(find(objects, "Deployment").spec.replicas, 2);
      assert.ok(find(objects, "PodDisruptionBudget"));
      assert.equal(injector(objects).automountServiceAccountToken, false);
      assert.equal(env(objects, "KEYFRAME_INJECTOR_IMAGE"), "keyframe:0.1.0");
      assert.equal(env(objects, "KEYFRAME_INJECTOR_KUBERNETES_VERSION"), "1.34");
      for (const kind of ["PodMonitor", "PrometheusRule", "ConfigMap", "NetworkPolicy", "Certificate"]) {
        assert.equal(find(objects, kind), undefined, kind);
      }
    },
  },
  "certificates made by jobs": {
    values: { certificates: { renewBefore: "240h", job: { extraArgs: ["--log-level=debug"] } } },
    expect(objects) {
      const hooks = objects.filter(({ kind, metadata }) => kind === "Job" && metadata.annotations?.["helm.sh/hook"]);
      assert.deepEqual(hooks.map(({ metadata }) => metadata.annotations["helm.sh/hook"]).toSorted(), [
        "post-install,post-upgrade",
        "pre-install,pre-upgrade",
      ]);
      const { args } = find(objects, "CronJob").spec.jobTemplate.spec.template.spec.containers[0];
      assert.ok(args.includes("--renew-before=240h") && args.includes("--log-level=debug"), args.join(" "));
      // The first job runs before the webhook configuration is there.
      const first = find(objects, "Job", "install").spec.template.spec.containers[0].args;
      assert.ok(!first.some((word) => word.startsWith("--webhook-configuration")));
      const secret = injector(objects).volumes[0].secret.secretName;
      for (const role of objects.filter(({ kind }) => kind === "Role")) {
        assert.deepEqual(role.rules.find(({ verbs }) => verbs.includes("update")).resourceNames, [secret]);
      }
      for (const { rules } of objects.filter(({ kind }) => kind === "ClusterRole")) {
        assert.deepEqual(
          rules.flatMap(({ resourceNames }) => resourceNames),
          [find(objects, "MutatingWebhookConfiguration").metadata.name],
        );
      }
    },
  },
  "certificates of cert-manager, its own issuer": {
    values: { certificates: { mode: "cert-manager" } },
    expect(objects) {
      const certificate = find(objects, "Certificate");
      assert.equal(certificate.spec.issuerRef.name, find(objects, "Issuer").metadata.name);
      assert.equal(certificate.spec.secretName, injector(objects).volumes[0].secret.secretName);
      const { annotations } = find(objects, "MutatingWebhookConfiguration").metadata;
      assert.equal(annotations["cert-manager.io/inject-ca-from"], `keyframe/${certificate.metadata.name}`);
      for (const kind of ["Job", "CronJob", "ClusterRole"]) assert.equal(find(objects, kind), undefined, kind);
    },
  },
  "certificates of cert-manager, the cluster's issuer": {
    values: {
      certificates: { mode: "cert-manager", certManager: { issuerRef: { name: "company", kind: "ClusterIssuer" } } },
    },
    expect(objects) {
      assert.equal(find(objects, "Issuer"), undefined);
      assert.equal(find(objects, "Certificate").spec.issuerRef.name, "company");
    },
  },
  "a certificate that is kept by hand": {
    values: {
      certificates: {
        mode: "existing",
        secretName: "own",
        caBundle: "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n",
      },
    },
    expect(objects) {
      assert.match(Buffer.from(webhook(objects).clientConfig.caBundle, "base64").toString(), /BEGIN CERTIFICATE/);
      assert.equal(injector(objects).volumes[0].secret.secretName, "own");
    },
  },
  "everything switched on": {
    values: {
      commonLabels: { team: "platform" },
      image: { registry: "registry.example.com/team/", digest: `sha256:${"0".repeat(64)}`, pullSecrets: ["pull"] },
      injector: {
        replicas: 3,
        podDisruptionBudget: { minAvailable: "50%" },
        nodeSelector: { "kubernetes.io/os": "linux" },
        tolerations: [{ key: "dedicated", operator: "Exists", effect: "NoSchedule" }],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: "x", operator: "Exists" }] }],
            },
          },
        },
        priorityClassName: "system-cluster-critical",
        podLabels: { colour: "green" },
        podAnnotations: { note: "yes" },
        extraEnv: [{ name: "TZ", value: "UTC" }],
        resources: { requests: { cpu: "1" }, limits: { memory: "1Gi" } },
      },
      sidecar: {
        image: "registry.example.com/other:1",
        upstream: "redis+sentinel://s-0:26379,s-1:26379/0/mymaster",
        logLevel: "debug",
        cpu: "100m/1",
        memory: "128Mi/512Mi",
      },
      webhook: {
        namespaceSelector: { matchLabels: { team: "chat" }, matchExpressions: [{ key: "a", operator: "Exists" }] },
        objectSelector: { matchLabels: { app: "open-webui" } },
      },
      metrics: {
        podMonitor: { enabled: true, labels: { release: "prometheus" }, sidecarNamespaces: ["chat"] },
        prometheusRule: { enabled: true },
        dashboard: { enabled: true, annotations: { grafana_folder: "Chat" } },
      },
      networkPolicy: {
        enabled: true,
        webhookFrom: [{ ipBlock: { cidr: "10.0.0.0/8" } }],
        adminFrom: [{ namespaceSelector: {} }],
      },
    },
    expect(objects, text) {
      assert.equal(
        injector(objects).containers[0].image,
        `registry.example.com/team/keyframe@sha256:${"0".repeat(64)}`,
      );
      assert.equal(env(objects, "KEYFRAME_INJECTOR_IMAGE"), "registry.example.com/other:1");
      assert.equal(env(objects, "KEYFRAME_INJECTOR_MEMORY"), "128Mi/512Mi");
      assert.equal(objects.filter(({ kind }) => kind === "PodMonitor").length, 2);
      assert.equal(JSON.parse(find(objects, "ConfigMap").data["keyframe.json"]).uid, "keyframe");
      assert.ok(find(objects, "NetworkPolicy"));
      // Templates of alerts are Prometheus's own, not helm's.
      assert.match(text, /\{\{ \$labels\.pod \}\}/);
      for (const { metadata } of objects) assert.equal(metadata.labels.team, "platform", metadata.name);
    },
  },
  "one replica": {
    values: { injector: { replicas: 1 } },
    expect(objects) {
      // It would forbid every drain.
      assert.equal(find(objects, "PodDisruptionBudget"), undefined);
    },
  },
  "a URL in place of the Service": {
    values: { webhook: { url: "https://127.0.0.1:8443/mutate" } },
    expect(objects) {
      assert.deepEqual(webhook(objects).clientConfig, { url: "https://127.0.0.1:8443/mutate" });
    },
  },
  "a cluster without match conditions": {
    values: {},
    options: { version: "1.27.3" },
    expect(objects) {
      assert.equal(webhook(objects).matchConditions, undefined);
      assert.equal(env(objects, "KEYFRAME_INJECTOR_KUBERNETES_VERSION"), "1.27");
    },
  },
  "a provider's name of a version": {
    values: {},
    options: { version: "v1.31.4-eks-2d5f260" },
    expect(objects) {
      assert.equal(webhook(objects).matchConditions.length, 1);
      assert.equal(env(objects, "KEYFRAME_INJECTOR_KUBERNETES_VERSION"), "1.31");
    },
  },
  "a release and a namespace with long names": {
    values: {},
    options: { release: "a-release-with-a-name-of-fifty-characters-in-length", namespace: "chat" },
    expect(objects) {
      for (const { metadata } of objects) assert.doesNotMatch(metadata.name, /-$/);
      // What a CronJob appends must fit into the name of its Jobs.
      assert.ok(find(objects, "CronJob").metadata.name.length <= 52);
      assert.ok(webhook(objects).namespaceSelector.matchExpressions[0].values.includes("chat"));
    },
  },
};

const bad = (values, says) => ({ values, says });
export const refused = {
  "a failure policy that does not exist": bad({ webhook: { failurePolicy: "Maybe" } }, /failurePolicy/),
  "a timeout longer than the API server allows": bad({ webhook: { timeoutSeconds: 31 } }, /timeoutSeconds/),
  "a value that it does not have": bad({ injecter: { replicas: 2 } }, /injecter/),
  "a value of another type": bad({ injector: { replicas: "two" } }, /replicas/),
  "an upstream with credentials": bad({ sidecar: { upstream: "redis://user:secret@valkey:6379/0" } }, /upstream/),
  "a port for which root is needed": bad({ injector: { port: 443 } }, /port/),
  "an existing certificate without its authority": bad(
    { certificates: { mode: "existing", secretName: "own" } },
    /caBundle/,
  ),
  "a webhook without TLS": bad({ webhook: { url: "http://127.0.0.1:8443/mutate" } }, /url/),
  "memory without a number": bad({ sidecar: { memory: "plenty" } }, /memory/),
};
