/**
 * What the injector has changed in a pod, kept in the sidecar's own environment: no annotation, no state elsewhere. The
 * values that were moved are variables of the sidecar; KEYFRAME_INJECTED says where they belong. A pod that has it is
 * known as ours, and can be made what it was.
 */
import { type Container, type EnvEntry, isRecord, type Pod } from "./pod.js";
import { NAME } from "./sidecar.js";

export const RECORD = "KEYFRAME_INJECTED";
const ORIGINAL = "KEYFRAME_ORIGINAL_";

/** What was changed, and how to undo it. */
export interface Changes {
  readonly v: 1;
  /** Container, variable, and the sidecar's variable that holds what it was; null: there was none. */
  readonly env: readonly (readonly [string, string, string | null])[];
  /** Fields that were not there (absent) or were null: `metadata`, `annotations`, `initContainers`, `volumes`, `env <container>`. */
  readonly made: readonly (readonly [string, "absent" | "null"])[];
  /** Annotations that were set, with what they were; null: they were not there. */
  readonly annotations: readonly (readonly [string, string | null])[];
  /** Names of the volumes that were added. */
  readonly volumes?: readonly string[];
}

/** An entry of an environment without its name. */
export type Content = Omit<EnvEntry, "name">;

export function contentOf({ name: _name, ...content }: EnvEntry): Content {
  return content;
}

/** With its fields in their order, so that what comes back is the same text too. */
const contentKey = (entry: EnvEntry): string => JSON.stringify(contentOf(entry));

/** The sidecar's environment as it grows: what holds the same is held once. */
export class Keeper {
  readonly entries: EnvEntry[];
  readonly #names: Set<string>;
  readonly #byContent = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(entries: readonly EnvEntry[]) {
    this.entries = [...entries];
    this.#names = new Set(entries.map(({ name }) => name));
    // Of a name that is there twice the last is what is found again.
    const found = new Map(entries.map((entry) => [entry.name, entry]));
    for (const entry of found.values()) this.#byContent.set(contentKey(entry), entry.name);
  }

  /** Keeps what a variable was; returns the sidecar's variable that holds it. */
  keep(entry: EnvEntry): string {
    const key = contentKey(entry);
    const held = this.#byContent.get(key);
    if (held !== undefined) return held;
    const name = this.#freeName(ORIGINAL + entry.name);
    this.entries.push({ name, ...contentOf(entry) });
    this.#names.add(name);
    this.#byContent.set(key, name);
    return name;
  }

  #freeName(wanted: string): string {
    let count = this.#counts.get(wanted) ?? 0;
    let name: string;
    do name = ++count === 1 ? wanted : `${wanted}_${count}`;
    while (this.#names.has(name));
    this.#counts.set(wanted, count);
    return name;
  }
}

/** The injector's own sidecar in a pod. */
export function ownSidecar({ spec }: Pod): Container | undefined {
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  return all.find(({ name, env }) => name === NAME && env?.some((entry) => entry.name === RECORD));
}

export function writeRecord(record: Changes): EnvEntry {
  // Kubernetes looks for $(NAME) in values; names of variables cannot hold a dollar, but those of JSON texts may.
  return { name: RECORD, value: JSON.stringify(record).replaceAll("$", "\\u0024") };
}

const isPair = (value: unknown): value is [string, string | null] =>
  Array.isArray(value) && typeof value[0] === "string" && (value[1] === null || typeof value[1] === "string");

const isTriple = (value: unknown): boolean =>
  Array.isArray(value) && isPair(value.slice(0, 2)) && isPair(value.slice(1, 3));

/** The record of a sidecar, or undefined where somebody has damaged it. */
export function readRecord({ env }: Container): Changes | undefined {
  let found: unknown;
  try {
    found = JSON.parse(env?.find(({ name }) => name === RECORD)?.value ?? "");
  } catch {
    return undefined;
  }
  if (!isRecord(found) || found.v !== 1) return undefined;
  const { env: moved, made, annotations, volumes = [] } = found;
  if (!Array.isArray(moved) || !moved.every(isTriple) || !Array.isArray(made) || !made.every(isPair)) return undefined;
  if (!Array.isArray(annotations) || !annotations.every(isPair)) return undefined;
  if (!Array.isArray(volumes) || !volumes.every((name) => typeof name === "string")) return undefined;
  return found as unknown as Changes;
}
