/**
 * A plan carried out on a pod, and undone again. Nothing of the pod that came in is written to: what does not change is
 * shared, so that comparing the two costs no more than what has changed.
 */
import { DEFAULT_CONTAINER, STATUS } from "./annotations.js";
import type { Plan } from "./decide.js";
import type { Container, EnvEntry, Pod, PodSpec } from "./pod.js";
import type { Note, Reason } from "./reasons.js";
import { type Changes, contentOf, Keeper, ownSidecar, readRecord, writeRecord } from "./record.js";
import type { Edit } from "./rewrite.js";
import { NAME, sidecarContainer } from "./sidecar.js";
import { EVICTABLE, evictable, stateVolume } from "./state.js";

type Was = "absent" | "null";

/** What is not there, if it is not: a list that is empty is there. */
function was(value: unknown): Was | undefined {
  return value === undefined ? "absent" : value === null ? "null" : undefined;
}

function grouped<T>(list: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

/** The value of the status annotation. */
export function statusText(reason: Reason, notes: readonly Note[] = []): string {
  return [reason, ...new Set(notes.map(({ code }) => code))].join(", ");
}

/** The pod with its sidecar. */
export function inject(pod: Pod, { sidecar, edits, defaultContainer }: Plan, notes: readonly Note[]): Pod {
  const keeper = new Keeper(sidecar.env);
  const moved: Changes["env"][number][] = [];
  const made: Changes["made"][number][] = [];
  const note = (field: string, value: unknown) => {
    const before = was(value);
    if (before !== undefined) made.push([field, before]);
  };

  const byContainer = grouped(edits, ({ container }) => container);
  const containers = pod.spec.containers.map((container) => {
    const own = byContainer.get(container.name);
    if (own === undefined) return container;
    note(`env ${container.name}`, container.env);
    return { ...container, env: edited(container, own, keeper, moved) };
  });

  const { metadata } = pod;
  note("metadata", metadata);
  note("annotations", metadata?.annotations);
  const status = { [STATUS]: statusText("injected", notes) };
  const before = metadata?.annotations ?? {};
  const added = {
    ...(before[DEFAULT_CONTAINER] === undefined && { [DEFAULT_CONTAINER]: defaultContainer }),
    ...(sidecar.stateful && { [EVICTABLE]: evictable(before[EVICTABLE]) }),
    ...status,
  };
  const annotations = Object.keys(added).map((name) => [name, before[name] ?? null] as const);

  if (sidecar.native) note("initContainers", pod.spec.initContainers);
  const volumes = sidecar.stateful ? [stateVolume()] : [];
  if (sidecar.stateful) note("volumes", pod.spec.volumes);
  const record = writeRecord({ v: 1, env: moved, made, annotations, volumes: volumes.map(({ name }) => name) });
  const container = sidecarContainer({ ...sidecar, env: [...keeper.entries, record] });
  const spec: PodSpec = {
    ...pod.spec,
    ...(sidecar.native
      ? { containers, initContainers: [container, ...(pod.spec.initContainers ?? [])] }
      : { containers: [...containers, container] }),
    ...(sidecar.stateful && { volumes: [...(pod.spec.volumes ?? []), ...volumes] }),
  };
  return { ...pod, metadata: { ...metadata, annotations: { ...before, ...added } }, spec };
}

function edited(
  { name: container, env }: Container,
  edits: readonly Edit[],
  keeper: Keeper,
  moved: Changes["env"][number][],
): EnvEntry[] {
  const entries = [...(env ?? [])];
  for (const { name, content, before } of edits) {
    const at = entries.findLastIndex((entry) => entry.name === name);
    const entry = entries[at];
    moved.push([container, name, entry === undefined ? null : keeper.keep(entry)]);
    if (entry !== undefined) entries[at] = { name, ...content };
    else entries.splice(placeOf(entries, before), 0, { name, ...content });
  }
  return entries;
}

function placeOf(entries: readonly EnvEntry[], before: string | undefined): number {
  const at = entries.findLastIndex(({ name }) => name === before);
  return at < 0 ? entries.length : at;
}

/** A pod with the status annotation, for one that was refused. */
export function withStatus(pod: Pod, reason: Reason): Pod {
  const { metadata } = pod;
  return { ...pod, metadata: { ...metadata, annotations: { ...metadata?.annotations, [STATUS]: statusText(reason) } } };
}

export type Undone = { readonly kind: "undone"; readonly pod: Pod } | { readonly kind: "none" | "damaged" };

/** The pod as it was before `inject`. */
export function uninject(pod: Pod): Undone {
  const sidecar = ownSidecar(pod);
  if (sidecar === undefined) return { kind: "none" };
  const record = readRecord(sidecar);
  if (record === undefined) return { kind: "damaged" };
  const held = new Map(sidecar.env?.map((entry) => [entry.name, entry]));
  if (record.env.some(([, , name]) => name !== null && !held.has(name))) return { kind: "damaged" };
  const made = new Map(record.made);

  const others = (list: readonly Container[]) => list.filter(({ name }) => name !== NAME);
  const byContainer = grouped(record.env, ([container]) => container);
  const containers = others(pod.spec.containers).map((container) => {
    const own = byContainer.get(container.name);
    if (own === undefined) return container;
    const env = restored(container.env ?? [], own, held);
    return emptied(container, "env", env, made.get(`env ${container.name}`));
  });
  const { initContainers, volumes } = pod.spec;
  let spec: PodSpec = { ...pod.spec, containers };
  if (initContainers) spec = emptied(spec, "initContainers", others(initContainers), made.get("initContainers"));
  if (volumes && record.volumes?.length) {
    const theirs = volumes.filter(({ name }) => !record.volumes!.includes(name));
    spec = emptied(spec, "volumes", theirs, made.get("volumes"));
  }
  return { kind: "undone", pod: withoutAnnotations({ ...pod, spec }, record, made) };
}

function restored(env: readonly EnvEntry[], moved: Changes["env"], held: ReadonlyMap<string, EnvEntry>): EnvEntry[] {
  const entries = [...env];
  for (const [, name, keeper] of moved) {
    const at = entries.findLastIndex((entry) => entry.name === name);
    if (at < 0) continue;
    if (keeper === null) entries.splice(at, 1);
    else entries[at] = { name, ...contentOf(held.get(keeper)!) };
  }
  return entries;
}

/** An object with a list of its in place, or without it where that was made for us and holds nothing else. */
function emptied<T extends object>(whole: T, field: string, list: readonly unknown[], before: Was | undefined): T {
  if (list.length > 0 || before === undefined) return { ...whole, [field]: list };
  if (before === "null") return { ...whole, [field]: null };
  const { [field]: _list, ...rest } = whole as { [name: string]: unknown };
  return rest as T;
}

function withoutAnnotations(pod: Pod, record: Changes, made: ReadonlyMap<string, Was>): Pod {
  const annotations = { ...pod.metadata?.annotations };
  for (const [name, before] of record.annotations) {
    if (before === null) delete annotations[name];
    else annotations[name] = before;
  }
  const empty = Object.keys(annotations).length === 0;
  const { annotations: _annotations, ...rest } = pod.metadata ?? {};
  const { metadata: _metadata, ...bare } = pod;
  const before = empty ? made.get("annotations") : undefined;
  if (before === undefined) return { ...pod, metadata: { ...pod.metadata, annotations } };
  if (before === "null") return { ...pod, metadata: { ...pod.metadata, annotations: null } };
  const whole = Object.keys(rest).length === 0 ? made.get("metadata") : undefined;
  if (whole === undefined) return { ...pod, metadata: rest };
  return whole === "null" ? { ...pod, metadata: null } : bare;
}
