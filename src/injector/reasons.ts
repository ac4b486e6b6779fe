/**
 * Why the injector did what it did. Closed sets: the codes are the labels of the metrics, the value of the status
 * annotation and the `reason` of log lines; the sentences are what people read. Both are an interface.
 */

/** The pod was changed. */
export const injected = {
  injected: "A sidecar was added and the app pointed at it.",
} as const;

/** Nothing to do: the pod passes as it came, without a trace. */
export const skipped = {
  not_requested: "The pod does not ask for a sidecar.",
  disabled: "The pod says that it wants no sidecar.",
  already_injected: "The pod has its sidecar already.",
  injected_by_hand: "The pod has a sidecar that was put there by hand.",
  system_namespace: "Pods of the cluster's own namespaces are left alone.",
  own_pod: "The injector's own pods are left alone.",
} as const;

/** A sidecar was asked for and cannot be given. The pod starts without one, and is told why. */
export const refused = {
  bad_annotation: "An annotation cannot be understood.",
  host_network: "The pod uses the host's network, where the sidecar's ports would clash with those of other pods.",
  port_taken: "A container of the pod uses one of the sidecar's ports.",
  name_taken: "A container of the pod has the sidecar's name, or a volume that of the sidecar's.",
  no_redis: "No container has WEBSOCKET_REDIS_URL or REDIS_URL, and no upstream is given.",
  upstream_hidden:
    "The URL comes from envFrom, which the injector does not read: name it with keyframe.dev/upstream-secret or keyframe.dev/upstream.",
  bad_upstream: "The app's Redis URL is not one that the sidecar can use.",
  cluster: "The app uses Redis Cluster, which the sidecar does not speak.",
  nothing_routed: "Nothing of the app would go through the sidecar.",
  needs_native: "A pod that ends by itself would be kept alive by a sidecar that is a plain container.",
} as const;

/** The request itself was not understood. The pod starts as it came. */
export const rejected = {
  malformed: "The request is not an AdmissionReview in JSON.",
  wrong_version: "The request is of another version than admission.k8s.io/v1.",
  too_large: "The request is too large.",
  not_a_pod: "The request is not about a pod.",
  not_create: "The request is not about the creation of a pod.",
  malformed_pod: "The pod does not have the shape of one.",
  internal_error: "The injector failed; this is a fault of its own.",
} as const;

/** What is worth knowing of a pod that was changed. */
export const notes = {
  redis_url_left: "REDIS_URL keeps its value: it may name another server or database than the sidecar's upstream.",
  websocket_url_left: "WEBSOCKET_REDIS_URL keeps its value: it may name another server than the sidecar's upstream.",
  env_from_unseen: "Variables from envFrom are not seen: if they hold *_SENTINEL_HOSTS, use keyframe.dev/upstream.",
  tls_options_dropped: "ssl_… options of a URL are not used: the sidecar verifies certificates itself.",
  password_in_annotation: "keyframe.dev/upstream holds a password that all who can read pods can see.",
  key_prefixes_differ:
    "REDIS_KEY_PREFIX may differ between containers of the pod: the sidecar does not learn its users, and takes all frames.",
  replaced_upstream: "The app's own URL is another than keyframe.dev/upstream says, which is used.",
} as const;

export const reasons = { ...injected, ...skipped, ...refused, ...rejected } as const;

export type SkipReason = keyof typeof skipped;
export type RefuseReason = keyof typeof refused;
export type RejectReason = keyof typeof rejected;
export type Reason = keyof typeof reasons;
export type NoteCode = keyof typeof notes;

/** A note and what it is about, such as a container's name. */
export interface Note {
  readonly code: NoteCode;
  readonly about: string;
}

export interface Refusal {
  readonly kind: "refuse";
  readonly reason: RefuseReason;
  /** What exactly, without any value that could be a secret; empty where the reason says it all. */
  readonly detail: string;
}

export function refuse(reason: RefuseReason, detail = ""): Refusal {
  return { kind: "refuse", reason, detail };
}

// What the API server cuts a warning to.
const LONGEST_WARNING = 256;

/** One line for the user of kubectl. */
export function warning(sentence: string, detail = ""): string {
  const text = `keyframe: ${detail === "" ? sentence : `${sentence} ${detail}`}`.replace(/[\p{Cc}\s]+/gu, " ");
  return text.length > LONGEST_WARNING ? `${text.slice(0, LONGEST_WARNING - 1)}…` : text;
}
