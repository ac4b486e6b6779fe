/**
 * One AdmissionReview to its answer. Whatever comes in, the pod may start: what cannot be understood is allowed as it
 * is, with a warning for whoever made it. Pure but for the library that compares.
 */
import jsonPatch from "fast-json-patch";
import type { Injection } from "../config/injector.js";
import { decide } from "./decide.js";
import { inject, withStatus } from "./mutate.js";
import { isRecord, type Pod, podName, shapeProblem } from "./pod.js";
import { type Note, notes as noteTexts, type Reason, type RejectReason, reasons, warning } from "./reasons.js";

const API_VERSION = "admission.k8s.io/v1";
// The API server passes on 4 KiB of them in all.
const MAX_WARNINGS = 16;

export interface Reviewed {
  readonly reason: Reason;
  readonly notes: readonly Note[];
  /** What exactly, for the log; never a value. */
  readonly detail: string;
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  /** What a failure of our own was. */
  readonly error?: unknown;
  /** The AdmissionReview to answer with. */
  readonly answer: object;
}

interface Answer {
  readonly uid: string;
  readonly apiVersion: string;
  readonly warnings: readonly string[];
  readonly patch?: readonly object[];
}

function answer({ uid, apiVersion, warnings, patch = [] }: Answer): object {
  const changed = patch.length > 0 && {
    patchType: "JSONPatch",
    patch: Buffer.from(JSON.stringify(patch)).toString("base64"),
  };
  const response = { uid, allowed: true, ...changed, ...(warnings.length > 0 && { warnings }) };
  return { apiVersion, kind: "AdmissionReview", response };
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** The answer to a request that was not understood, in the version of the one who asks. */
export function rejection(reason: RejectReason, detail = "", body?: unknown, error?: unknown): Reviewed {
  const { apiVersion, request } = isRecord(body) ? body : {};
  const { uid, namespace } = isRecord(request) ? request : {};
  const said = text(apiVersion);
  const version = /^admission\.k8s\.io\/v[0-9a-z]+$/.test(said) ? said : API_VERSION;
  const warnings = [warning(reasons[reason], detail)];
  return {
    reason,
    notes: [],
    detail,
    namespace: text(namespace),
    pod: "",
    uid: text(uid),
    ...(error !== undefined && { error }),
    answer: answer({ uid: text(uid), apiVersion: version, warnings }),
  };
}

/** Reviews the parsed body of a request. Never throws. */
export function review(body: unknown, settings: Injection): Reviewed {
  try {
    return understood(body, settings);
  } catch (error) {
    return rejection("internal_error", "", body, error);
  }
}

function understood(body: unknown, settings: Injection): Reviewed {
  if (!isRecord(body)) return rejection("malformed", "It is not an object.");
  if (body.kind !== "AdmissionReview") return rejection("malformed", "Its kind is not AdmissionReview.", body);
  if (body.apiVersion !== API_VERSION) return rejection("wrong_version", "", body);
  const { request } = body;
  if (!isRecord(request) || text(request.uid) === "") return rejection("malformed", "It has no request.", body);
  const { kind, operation, subResource, object } = request;
  if (!isRecord(kind) || kind.kind !== "Pod" || kind.group !== "" || kind.version !== "v1") {
    return rejection("not_a_pod", "", body);
  }
  if (operation !== "CREATE" || text(subResource) !== "") return rejection("not_create", "", body);
  const problem = shapeProblem(object);
  if (problem !== undefined) return rejection("malformed_pod", `${problem}.`, body);
  return reviewPod(object as unknown as Pod, text(request.uid), text(request.namespace), settings);
}

function reviewPod(pod: Pod, uid: string, asked: string, settings: Injection): Reviewed {
  const namespace = asked || (pod.metadata?.namespace ?? "");
  const verdict = decide(pod, settings, { namespace, requested: false });
  const about = { reason: verdict.reason, namespace, pod: podName(pod), uid };
  const reply = (changed: Pod, warnings: readonly string[]) =>
    answer({ uid, apiVersion: API_VERSION, warnings, patch: jsonPatch.compare(pod, changed) });
  switch (verdict.kind) {
    case "skip":
      return { ...about, notes: [], detail: "", answer: reply(pod, []) };
    case "refuse": {
      const { reason, detail } = verdict;
      const warnings = [warning(reasons[reason], detail)];
      return { ...about, notes: [], detail, answer: reply(withStatus(pod, reason), warnings) };
    }
    case "inject": {
      const { plan, notes } = verdict;
      const warnings = notes
        .slice(0, MAX_WARNINGS)
        .map(({ code, about: what }) => warning(noteTexts[code], `(${what})`));
      return { ...about, notes, detail: "", answer: reply(inject(pod, plan, notes), warnings) };
    }
    default:
      return verdict satisfies never;
  }
}
