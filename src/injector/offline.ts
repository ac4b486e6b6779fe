/**
 * `keyframe inject`: the webhook's verdict and mutation on files, for whoever wants to see or keep what is changed. The
 * command is the request, so pods need not ask by annotation; "false" is heeded.
 */
import { type Document, parseAllDocuments } from "yaml";
import type { Injection } from "../config/injector.js";
import { wish } from "./annotations.js";
import { decide } from "./decide.js";
import { inject, uninject } from "./mutate.js";
import { isRecord, type Pod, shapeProblem } from "./pod.js";
import { type NoteCode, notes as noteTexts, type Reason, reasons } from "./reasons.js";
import { syncDocument } from "./sync.js";

/** What became of one workload. */
export interface Report {
  /** Kind/name, with the document's number where it has no name. */
  readonly where: string;
  readonly outcome: Reason | NoteCode | "uninjected" | "not_injected" | "damaged" | "not_yaml";
  readonly text: string;
  /** Somebody wanted something that was not done. */
  readonly failed: boolean;
}

export interface Offline {
  /** The whole input, with what was changed. */
  readonly output: string;
  readonly reports: readonly Report[];
}

/** To put sidecars in, with these settings, or to take them out again. */
export type Mode = { readonly inject: Injection } | "uninject";

// kubectl reads YAML 1.1, to which a bare off is no text.
const READING = { logLevel: "error", compat: "yaml-1.1" } as const;

/** Pods in what can hold them: the path to the pod, or to its template. */
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

/** Changes manifests: YAML with one or many documents, or JSON. Never throws: what cannot be read stays as it is. */
export function changeManifests(text: string, mode: Mode): Offline {
  const reports: Report[] = [];
  if (/^\s*\{/.test(text)) {
    const json = parsedJson(text);
    if (json !== undefined) {
      const after = changed(json, mode, "document 1", reports);
      return { output: after === json ? text : `${JSON.stringify(after, null, 2)}\n`, reports };
    }
  }
  let output = "";
  let from = 0;
  const documents = parseAllDocuments(text, READING) as Document.Parsed[];
  for (const [i, document] of documents.entries()) {
    const source = text.slice(from, document.range[2]);
    from = document.range[2];
    output += changedDocument(document, source, mode, `document ${i + 1}`, reports);
  }
  return { output: output + text.slice(from), reports };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function changedDocument(document: Document.Parsed, source: string, mode: Mode, where: string, reports: Report[]) {
  const [error] = document.errors;
  let before: unknown;
  try {
    // Aliases are looked up here only: to nothing, or to so much that they are an attack.
    if (error === undefined) before = document.toJS();
  } catch {
    reports.push({ where, outcome: "not_yaml", text: "It has an alias that cannot be followed.", failed: true });
    return source;
  }
  if (error !== undefined) {
    // The library's message quotes the line, which may hold a password.
    const line = error.linePos?.[0].line;
    const at = line === undefined ? "" : ` at line ${line}`;
    reports.push({ where, outcome: "not_yaml", text: `It is not YAML${at} (${error.code}).`, failed: true });
    return source;
  }
  const after = changed(before, mode, where, reports);
  if (after === before) return source;
  syncDocument(document, before, after);
  return document.toString(styleOf(source));
}

/** How a document was written, as far as the library can be told. */
function styleOf(source: string) {
  return {
    lineWidth: 0,
    indent: /^\w[^\n]*:[^\S\n]*\n( {2,8})[^\s-]/m.exec(source)?.[1]?.length ?? 2,
    indentSeq: !/^( *)[\w"'][^\n]*:[^\S\n]*\n(?: *#[^\n]*\n)*\1- /m.test(source),
    flowCollectionPadding: !/\{\w/.test(source),
  };
}

function changed(value: unknown, mode: Mode, where: string, reports: Report[]): unknown {
  if (!isRecord(value) || typeof value.kind !== "string") return value;
  const { kind, items, metadata } = value;
  if (kind.endsWith("List") && Array.isArray(items)) {
    const after = items.map((item, i) => changed(item, mode, `${where}, item ${i + 1}`, reports));
    return after.some((item, i) => item !== items[i]) ? { ...value, items: after } : value;
  }
  const path = Object.hasOwn(TEMPLATES, kind) ? TEMPLATES[kind]! : undefined;
  if (path === undefined) return value;
  const { name, namespace } = isRecord(metadata) ? metadata : {};
  const named = `${kind}/${typeof name === "string" ? name : `(${where})`}`;
  const target = path.reduce<unknown>((inner, key) => (isRecord(inner) ? inner[key] : undefined), value);
  const problem = shapeProblem(target);
  if (problem !== undefined) {
    reports.push({
      where: named,
      outcome: "malformed_pod",
      text: `${reasons.malformed_pod} ${problem}.`,
      failed: true,
    });
    return value;
  }
  const pod = target as Pod;
  const at = typeof namespace === "string" ? namespace : "";
  const after = mode === "uninject" ? taken(pod, named, reports) : given(pod, mode.inject, at, named, reports);
  return after === pod ? value : replaced(value, path, after);
}

function replaced(value: unknown, [key, ...rest]: readonly string[], after: unknown): unknown {
  if (key === undefined || !isRecord(value)) return after;
  return { ...value, [key]: replaced(value[key], rest, after) };
}

function given(pod: Pod, settings: Injection, namespace: string, where: string, reports: Report[]): Pod {
  const asks = wish(pod) === true;
  // The default upstream is for pods that ask; a file holds the database and the server too.
  const applied = asks ? settings : { ...settings, upstream: undefined };
  const verdict = decide(pod, applied, { namespace, requested: true });
  const { reason } = verdict;
  switch (verdict.kind) {
    case "skip":
      reports.push({ where, outcome: reason, text: reasons[reason], failed: false });
      return pod;
    case "refuse":
      reports.push({ where, outcome: reason, text: `${reasons[reason]} ${verdict.detail}`.trim(), failed: asks });
      return pod;
    case "inject":
      reports.push({ where, outcome: reason, text: reasons[reason], failed: false });
      for (const { code, about } of verdict.notes) {
        reports.push({ where, outcome: code, text: `${noteTexts[code]} (${about})`, failed: false });
      }
      return inject(pod, verdict.plan, verdict.notes);
    default:
      return verdict satisfies never;
  }
}

function taken(pod: Pod, where: string, reports: Report[]): Pod {
  const undone = uninject(pod);
  switch (undone.kind) {
    case "undone":
      reports.push({ where, outcome: "uninjected", text: "The sidecar was taken out.", failed: false });
      return undone.pod;
    case "none":
      reports.push({ where, outcome: "not_injected", text: "There is no sidecar of the injector's.", failed: false });
      return pod;
    case "damaged": {
      const text = "What the injector noted in the sidecar's environment has been changed: take it out by hand.";
      reports.push({ where, outcome: "damaged", text, failed: true });
      return pod;
    }
    default:
      return undone satisfies never;
  }
}
