/** The apps that the stories put into the cluster: Open WebUI in shape, passing Pod Security "restricted". */

export const ANNOTATION = "keyframe.dev/inject";
export const STATUS = "keyframe.dev/status";
export const EVICTABLE = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

const security = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ["ALL"] },
  runAsNonRoot: true,
  runAsUser: 1000,
  seccompProfile: { type: "RuntimeDefault" },
};

export const appEnv = [
  { name: "VALKEY_PASSWORD", valueFrom: { secretKeyRef: { name: "valkey", key: "password" } } },
  { name: "REDIS_URL", value: "redis://default:$(VALKEY_PASSWORD)@mymaster:6379/0" },
  { name: "REDIS_SENTINEL_HOSTS", value: "sentinel-0.sentinel,sentinel-1.sentinel" },
  { name: "REDIS_SENTINEL_PORT", value: "26379" },
  { name: "WEBSOCKET_MANAGER", value: "redis" },
  { name: "WEBSOCKET_REDIS_URL", value: "redis://default:$(VALKEY_PASSWORD)@mymaster:6379/1" },
  { name: "WEBSOCKET_SENTINEL_HOSTS", value: "sentinel-0.sentinel,sentinel-1.sentinel" },
  { name: "WEBSOCKET_SENTINEL_PORT", value: "26379" },
  { name: "REDIS_KEY_PREFIX", value: "chat" },
];

export function podTemplate(name, annotations, spec = {}) {
  return {
    metadata: { labels: { app: name }, ...(annotations && { annotations }) },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: "open-webui", image: "open-webui:0.12.4", env: appEnv, securityContext: security }],
      ...spec,
    },
  };
}

export const asked = { [ANNOTATION]: "true" };

export function deployment(name, namespace, annotations, replicas = 2) {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: { app: name } }, template: podTemplate(name, annotations) },
  };
}

export function job(name, namespace, annotations) {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name, namespace },
    spec: { template: podTemplate(name, annotations, { restartPolicy: "Never" }) },
  };
}

export function barePod(name, namespace, annotations, spec = {}) {
  const { metadata, spec: inner } = podTemplate(name, annotations, spec);
  return { apiVersion: "v1", kind: "Pod", metadata: { ...metadata, name, namespace }, spec: inner };
}
