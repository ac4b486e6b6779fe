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
/** Variables that refer to each other can grow without bound; no URL is this long. */
const LONGEST = 16 * 1024;

/** JSON with its keys in order, so that two references that mean the same are the same text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === "object" && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** The names that a text refers to. */
function references(text: string): string[] {
  return [...text.matchAll(TOKEN)].flatMap((match) => match[1] ?? []);
}

function isReference(entry: EnvEntry): boolean {
  return entry.valueFrom !== undefined && entry.valueFrom !== null;
}

/** All entries that an entry's value needs, in the container's own order; without the entry itself. */
export function needed({ env }: Container, entry: EnvEntry): EnvEntry[] {
  const list = env ?? [];
  const found: EnvEntry[] = [];
  // Backwards, because a name means its nearest definition above.
  const wanted = new Set(isReference(entry) ? [] : references(entry.value ?? ""));
  for (let i = list.lastIndexOf(entry) - 1; i >= 0 && wanted.size > 0; i--) {
    const candidate = list[i]!;
    if (!wanted.delete(candidate.name)) continue;
    found.push(candidate);
    if (!isReference(candidate)) for (const name of references(candidate.value ?? "")) wanted.add(name);
  }
  return found.reverse();
}

/**
 * Whether an entry refers, itself or through what it refers to, to a name such as the sidecar's settings have. It would be
 * taken for one there, or be refused as one that does not exist.
 */
export function usesSettings(container: Container, entry: EnvEntry): boolean {
  const texts = [entry, ...needed(container, entry)].filter((one) => !isReference(one));
  return texts.some(({ value }) => references(value ?? "").some((name) => name.startsWith("KEYFRAME_")));
}

/** What an entry of a container's environment says. */
export function said(container: Container, entry: EnvEntry): Said {
  if (isReference(entry)) return { kind: "hidden", reference: canonical(entry.valueFrom) };
  const before = new Map<string, Said>();
  for (const one of needed(container, entry)) {
    const value: Said = isReference(one) ? { kind: "hidden", reference: canonical(one.valueFrom) } : put(one, before);
    before.set(one.name, value);
  }
  const { text, left } = put(entry, before);
  const [only] = /^\$\([^()]*\)$/.test(text) ? [...left.values()] : [];
  return only === undefined ? { kind: "shown", text, left } : { kind: "hidden", reference: only };
}

/** A text with what is known in the place of its $(NAME)s. */
function put({ value }: EnvEntry, before: ReadonlyMap<string, Said>): Shown {
  const left = new Map<string, string | undefined>();
  let length = 0;
  const text = (value ?? "").replace(TOKEN, (token, name: string | undefined) => {
    if (name === undefined) return token;
    const known = before.get(name);
    if (known?.kind === "shown" && length + known.text.length <= LONGEST) {
      for (const [inner, reference] of known.left) left.set(inner, reference);
      length += known.text.length;
      return known.text;
    }
    left.set(name, known?.kind === "hidden" ? known.reference : undefined);
    return token;
  });
  return { kind: "shown", text, left };
}
