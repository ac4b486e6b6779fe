/**
 * What is to be done with a pod, from nothing but the pod and the injector's settings. Pure: the webhook and
 * `keyframe inject` both act on the verdict.
 */
import type { Injection } from "../config/injector.js";
import { type Asked, DOMAIN, readAnnotations, wish } from "./annotations.js";
import { type Candidates, candidatesOf } from "./candidates.js";
import type { Container, Pod } from "./pod.js";
import { type Note, type Refusal, refuse, type SkipReason } from "./reasons.js";
import { ownSidecar } from "./record.js";
import { type Edit, type Planned, planRoutes } from "./rewrite.js";
import { ADMIN_PORT, APP_PORT, isNativeCapable, NAME, type SidecarPlan } from "./sidecar.js";
import { sourceOf } from "./source.js";
import { hasStateVolume, STATE_DIR, VOLUME } from "./state.js";

/** How a pod is to be changed; mutate.ts does it. */
export interface Plan {
  readonly sidecar: SidecarPlan;
  readonly edits: readonly Edit[];
  /** What kubectl shows by default, unless the pod says so itself. */
  readonly defaultContainer: string;
}

export type Verdict =
  | { readonly kind: "inject"; readonly reason: "injected"; readonly plan: Plan; readonly notes: readonly Note[] }
  | { readonly kind: "skip"; readonly reason: SkipReason }
  | Refusal;

export interface Circumstances {
  /** Of the request; a pod that is being made need not name it itself. */
  readonly namespace: string;
  /** Somebody has asked for this very pod (`keyframe inject`), so that it need not ask itself. */
  readonly requested: boolean;
}

const SYSTEM_NAMESPACES = new Set(["kube-system", "kube-public", "kube-node-lease"]);

/** The verdict on a pod that has the shape of one (pod.ts). */
export function decide(pod: Pod, settings: Injection, { namespace, requested }: Circumstances): Verdict {
  const skip = skipReason(pod, namespace, requested);
  if (skip !== undefined) return { kind: "skip", reason: skip };

  const read = readAnnotations(pod);
  if ("problem" in read) return refuse("bad_annotation", read.problem);
  const { asked } = read;
  const obstacle = obstacleOf(pod, settings, asked);
  if (obstacle !== undefined) return obstacle;

  const candidates = candidatesOf(pod, asked);
  if (!candidates.ok) return refuse("bad_annotation", candidates.problem);
  const source = sourceOf(candidates.containers, settings, asked);
  if (source.kind === "refuse") return source;
  const routes = planRoutes(candidates.containers, source, asked);
  if (routes.kind === "refuse") return routes;
  return {
    kind: "inject",
    reason: "injected",
    plan: {
      sidecar: sidecarPlan(settings, asked, isNative(settings, asked), routes),
      edits: routes.edits,
      defaultContainer: defaultContainer(pod, candidates),
    },
    notes: routes.notes,
  };
}

function skipReason(pod: Pod, namespace: string, requested: boolean): SkipReason | undefined {
  const wanted = wish(pod);
  if (wanted === false) return "disabled";
  if (wanted === undefined && !requested) return "not_requested";
  if (SYSTEM_NAMESPACES.has(namespace)) return "system_namespace";
  const all = allContainers(pod);
  if (all.some(({ args }) => /^injector(-certs)?$/.test(args?.[0] ?? ""))) return "own_pod";
  if (ownSidecar(pod) !== undefined) return "already_injected";
  if (all.some(({ env }) => env?.some(({ name }) => name === "KEYFRAME_UPSTREAM"))) return "injected_by_hand";
  return undefined;
}

function allContainers({ spec }: Pod): readonly Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

/** What keeps a pod from having a sidecar at all. */
function obstacleOf(pod: Pod, settings: Injection, asked: Asked): Refusal | undefined {
  const { spec } = pod;
  if (spec.hostNetwork === true) return refuse("host_network");
  for (const { name, ports } of allContainers(pod)) {
    if (name === NAME) return refuse("name_taken", `Container ${name}.`);
    const taken = ports?.find(({ containerPort }) => containerPort === APP_PORT || containerPort === ADMIN_PORT);
    if (taken !== undefined) return refuse("port_taken", `Container ${name} uses port ${taken.containerPort}.`);
  }
  if (hasStateVolume(spec)) return refuse("name_taken", `Volume ${VOLUME}.`);
  const { kubernetesVersion: version } = settings;
  if (asked["native-sidecar"] === "true" && version !== undefined && !isNativeCapable(version)) {
    const cluster = `this cluster is of version ${version.major}.${version.minor}`;
    return refuse("bad_annotation", `${DOMAIN}native-sidecar="true" needs Kubernetes 1.29; ${cluster}.`);
  }
  // Pods of Jobs, and bare ones that are to end.
  const ends = spec.restartPolicy === "OnFailure" || spec.restartPolicy === "Never";
  return ends && !isNative(settings, asked) ? refuse("needs_native") : undefined;
}

function isNative({ nativeSidecar, kubernetesVersion }: Injection, asked: Asked): boolean {
  const word = asked["native-sidecar"];
  if (word !== undefined) return word === "true";
  if (nativeSidecar !== "auto") return nativeSidecar === "always";
  return kubernetesVersion === undefined || isNativeCapable(kubernetesVersion);
}

function sidecarPlan(settings: Injection, asked: Asked, native: boolean, { env, stateful }: Planned): SidecarPlan {
  const logLevel = asked["log-level"] ?? settings.sidecarLogLevel;
  return {
    native,
    image: asked.image ?? settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    cpu: asked.cpu ?? settings.cpu,
    memory: asked.memory ?? settings.memory,
    stateful,
    env: [
      ...env,
      // Probes and scrapes come from outside the pod; the app's own port stays on loopback.
      { name: "KEYFRAME_ADMIN", value: `0.0.0.0:${ADMIN_PORT}` },
      ...(stateful ? [{ name: "KEYFRAME_STATE_DIR", value: STATE_DIR }] : []),
      ...(asked.frames === undefined ? [] : [{ name: "KEYFRAME_FRAMES", value: asked.frames }]),
      ...(logLevel === undefined ? [] : [{ name: "KEYFRAME_LOG_LEVEL", value: logLevel }]),
    ],
  };
}

function defaultContainer({ spec }: Pod, { containers }: Extract<Candidates, { ok: true }>): string {
  return (containers[0] ?? spec.containers[0])?.name ?? "";
}
