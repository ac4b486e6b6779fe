/**
 * The sidecar's memory of its pod's users: a volume that outlives its container but not the pod, and the prefix under which
 * the app keeps its sessions. With them the sidecar passes over frames for users of other pods (src/trunk/rooms.ts), so
 * where it might see the sessions of one container only, it gets no memory and takes all frames.
 */
import type { V1EmptyDirVolumeSource } from "@kubernetes/client-node";
import { canonical, said, usesSettings } from "./expand.js";
import { type Container, type EnvEntry, type PodSpec, type Volume, variable } from "./pod.js";

export const VOLUME = "keyframe-state";
export const STATE_DIR = "/var/run/keyframe";
/**
 * The cluster autoscaler takes no node away that has a pod with an emptyDir, unless this names the volume. Nothing is lost
 * with ours: a pod that is made anew has other users.
 */
export const EVICTABLE = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

export const KEY_PREFIX = "REDIS_KEY_PREFIX";
/** Open WebUI's own. */
const DEFAULT_KEY_PREFIX = "open-webui";

/** The volume, as it stands in the pod. On disk: memory would count against the sidecar's limit. */
export function stateVolume(): Volume {
  const emptyDir: V1EmptyDirVolumeSource = { sizeLimit: "16Mi" };
  return { name: VOLUME, emptyDir };
}

/** Whether the pod has a volume of that name. */
export function hasStateVolume({ volumes }: PodSpec): boolean {
  return volumes?.some(({ name }) => name === VOLUME) ?? false;
}

/** The value of the autoscaler's annotation, with our volume among those that it has. */
export function evictable(before: string | undefined): string {
  if (before === undefined || before === "") return VOLUME;
  return before.split(",").includes(VOLUME) ? before : `${before},${VOLUME}`;
}

/** Whether all these containers are seen to keep their sessions under one prefix. A single one always does. */
export function sharesKeyPrefix(containers: readonly Container[]): boolean {
  return containers.length < 2 || new Set(containers.map(prefixKey)).size === 1;
}

/** Equal for containers that have the same prefix, whatever it is. */
function prefixKey(container: Container): string {
  const { envFrom } = container;
  const entry = variable(container, KEY_PREFIX);
  const unseen = envFrom?.length ? envFrom : [];
  if (entry === undefined) return canonical(unseen.length > 0 ? ["unseen", unseen] : ["text", DEFAULT_KEY_PREFIX, []]);
  const value = said(container, entry);
  if (value.kind === "hidden") return canonical(["from", value.reference]);
  const left = [...value.left];
  const open = left.some(([, reference]) => reference === undefined);
  return canonical(["text", value.text, left, ...(open ? unseen : [])]);
}

/**
 * The app's prefix, for the sidecar to have as well; undefined where it is not seen, and where it uses names of settings.
 * Then the sidecar looks for the default one; where that is not the app's it sees no session, and takes all frames.
 */
export function keyPrefix(container: Container): EnvEntry | undefined {
  const entry = variable(container, KEY_PREFIX);
  return entry === undefined || usesSettings(container, entry) ? undefined : entry;
}
