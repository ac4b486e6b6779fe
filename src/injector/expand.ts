/**
 * What a container's variable says, as far as the pod shows it. Kubernetes puts earlier variables in the place of $(NAME);
 * those that are written out are put in here too, those that come from a Secret or elsewhere stay as $(NAME).
 */
import type { Container, EnvEntry } from "./pod.js";

/** A value from elsewhere: `reference` tells two of them apart or not. */
export interface Hidden {
  readonly kind: "hidden";
  readonly reference: string;
}
export interface Shown {
  readonly kind: "shown";
  readonly text: string;
  /** What the $(NAME)s stand for that are left: a reference, or nothing where the pod does not define them. */
  readonly left: ReadonlyMap<string, string | undefined>;
}
export type Said = Hidden | Shown;

// As Kubernetes reads it: $$ is a plain dollar.
const TOKEN = /\$\$|\$\(([^()]*)\)/g;
/** A variable that refers to itself through others would go on for ever; Kubernetes sees earlier ones only. */
const MAX_DEPTH = 16;

/** JSON with its keys in order, so that two references that mean the same are the same text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** The names that a text refers to. */
export function references(text: string): string[] {
  return [...text.matchAll(TOKEN)].flatMap((match) => match[1] ?? []);
}

function isReference(entry: EnvEntry): boolean {
  return entry.valueFrom !== undefined && entry.valueFrom !== null;
}

/** The last entry of that name before an index. */
function before(env: readonly EnvEntry[], index: number, name: string): number {
  return env.findLastIndex((entry, i) => i < index && entry.name === name);
}

/** What the entry at an index of a container's environment says. */
export function said({ env }: Container, entry: EnvEntry): Said {
  const list = env ?? [];
  const at = list.lastIndexOf(entry);
  if (isReference(entry)) return { kind: "hidden", reference: canonical(entry.valueFrom) };
  const left = new Map<string, string | undefined>();
  const text = flatten(list, at, left, 0);
  const [only] = /^\$\([^()]*\)$/.test(text) ? [...left.values()] : [];
  return only === undefined ? { kind: "shown", text, left } : { kind: "hidden", reference: only };
}

function flatten(env: readonly EnvEntry[], at: number, left: Map<string, string | undefined>, depth: number): string {
  const text = env[at]?.value ?? "";
  return text.replace(TOKEN, (token, name: string | undefined) => {
    if (name === undefined) return token;
    const source = before(env, at, name);
    const entry = env[source];
    if (entry === undefined || isReference(entry) || depth >= MAX_DEPTH) {
      left.set(name, entry === undefined || !isReference(entry) ? undefined : canonical(entry.valueFrom));
      return token;
    }
    return flatten(env, source, left, depth + 1);
  });
}

/** All entries that an entry's value needs, in the container's own order; without the entry itself. */
export function needed({ env }: Container, entry: EnvEntry): EnvEntry[] {
  const list = env ?? [];
  const found = new Set<number>();
  const visit = (at: number): void => {
    const of = list[at];
    if (of === undefined || isReference(of)) return;
    for (const name of references(of.value ?? "")) {
      const source = before(list, at, name);
      if (source < 0 || found.has(source)) continue;
      found.add(source);
      visit(source);
    }
  };
  visit(list.lastIndexOf(entry));
  return [...found].sort((a, b) => a - b).map((i) => list[i]!);
}
