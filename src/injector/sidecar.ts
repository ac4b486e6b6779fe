/**
 * The container that is added. It needs nothing of the node, writes nothing but to its own small volume, and passes Pod
 * Security "restricted".
 */
import type { V1Container, V1Probe } from "@kubernetes/client-node";
import type { KubernetesVersion } from "../config/injector.js";
import type { QuantityPair } from "../config/quantity.js";
import type { Container, EnvEntry } from "./pod.js";
import { STATE_DIR, VOLUME } from "./state.js";

export const NAME = "keyframe";
/** Where the app finds it; the sidecar's own default. */
export const APP_PORT = 6380;
export const APP_URL = `redis://127.0.0.1:${APP_PORT}`;
export const ADMIN_PORT = 9465;
const ADMIN_PORT_NAME = "keyframe-admin";
/** The image's own user. Said once more, because a pod may make root the user of all its containers. */
const USER = 65_532;

/** The first version in which an init container may keep running without a feature gate being set. */
export const isNativeCapable = ({ major, minor }: KubernetesVersion): boolean => major > 1 || minor >= 29;

export interface SidecarPlan {
  readonly native: boolean;
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly cpu: QuantityPair;
  readonly memory: QuantityPair;
  /** In the order in which $(NAME) can see them. */
  readonly env: readonly EnvEntry[];
  /** Whether it remembers its pod's users, for which it has a volume. */
  readonly stateful: boolean;
}

function probe(path: string, periodSeconds: number, failureThreshold: number): V1Probe {
  return { httpGet: { path, port: ADMIN_PORT_NAME }, periodSeconds, timeoutSeconds: 3, failureThreshold };
}

/** The container, as it stands in the pod. */
export function sidecarContainer({
  native,
  image,
  imagePullPolicy,
  cpu,
  memory,
  env,
  stateful,
}: SidecarPlan): Container {
  // The type is the API's own, so that no field of it is one that the API does not know.
  const container: V1Container = {
    name: NAME,
    image,
    imagePullPolicy,
    args: ["sidecar"],
    // A native sidecar: it starts before the app, ends after it, and does not keep a Job from ending.
    ...(native && { restartPolicy: "Always" }),
    ports: [{ name: ADMIN_PORT_NAME, containerPort: ADMIN_PORT, protocol: "TCP" }],
    // Here for its place among the others.
    env: [],
    resources: {
      requests: { cpu: cpu.request, memory: memory.request },
      // Without a limit for CPU unless one is asked for: a throttled sidecar delays every frame.
      limits: { ...(cpu.limit !== undefined && { cpu: cpu.limit }), memory: memory.limit ?? memory.request },
    },
    ...(stateful && { volumeMounts: [{ name: VOLUME, mountPath: STATE_DIR }] }),
    // The process, not the upstream: an app must start, and a sidecar live on, while the server is away.
    startupProbe: probe("/healthz", 1, 60),
    readinessProbe: probe("/readyz", 5, 3),
    livenessProbe: probe("/healthz", 10, 3),
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: USER,
      runAsNonRoot: true,
      runAsUser: USER,
      seccompProfile: { type: "RuntimeDefault" },
    },
  };
  return { ...(container as unknown as Container), env };
}
