/**
 * Brings a YAML document into line with a changed value, touching no more than what differs, so that comments, order and
 * quotes of everything else stay. Members of a list that have names are matched by name, as Kubernetes matches them.
 */
import { isDeepStrictEqual } from "node:util";
import { type Document, isMap, isScalar, isSeq, type Pair, type YAMLMap, type YAMLSeq } from "yaml";
import { isRecord } from "./pod.js";

/** Makes a document say `after` where it said `before`; what is the same object in both is left alone. */
export function syncDocument(document: Document, before: unknown, after: unknown): void {
  document.contents = syncNode(document, document.contents, before, after) as Document["contents"];
  // Aliases share a node between places that now differ. Then what it says goes before how it is written.
  if (!isDeepStrictEqual(document.toJS(), after))
    document.contents = document.createNode(after) as Document["contents"];
}

function syncNode(document: Document, node: unknown, before: unknown, after: unknown): unknown {
  if (before === after) return node;
  if (isMap(node) && isRecord(after)) {
    syncMap(document, node, isRecord(before) ? before : {}, after);
    return node;
  }
  if (isSeq(node) && Array.isArray(after)) {
    syncSeq(document, node, Array.isArray(before) ? before : [], after);
    return node;
  }
  if (isScalar(node) && !isRecord(after) && !Array.isArray(after)) {
    if (node.value !== after) node.value = after;
    return node;
  }
  return document.createNode(after);
}

type Fields = Readonly<Record<string, unknown>>;

function syncMap(document: Document, map: YAMLMap, before: Fields, after: Fields): void {
  // A block looks odd inside braces; an empty `{}` becomes one.
  if (map.flow && map.items.length === 0) map.flow = false;
  const keyOf = (pair: Pair) => String(isScalar(pair.key) ? pair.key.value : pair.key);
  map.items = map.items.filter((pair) => Object.hasOwn(after, keyOf(pair)));
  for (const [name, value] of Object.entries(after)) {
    const pair = map.items.find((item) => keyOf(item) === name);
    if (pair === undefined) map.items.push(document.createPair(name, value));
    else pair.value = syncNode(document, pair.value, before[name], value);
  }
}

function nameOf(value: unknown): string | undefined {
  return isRecord(value) && typeof value.name === "string" ? value.name : undefined;
}

function syncSeq(document: Document, seq: YAMLSeq, before: readonly unknown[], after: readonly unknown[]): void {
  if (seq.flow && seq.items.length === 0) seq.flow = false;
  const free = new Set(before.keys());
  // The same member first, then one of the same name: a name may be there twice.
  const take = (match: (item: unknown) => boolean): number | undefined => {
    const found = [...free].find((i) => match(before[i]));
    if (found !== undefined) free.delete(found);
    return found;
  };
  const same = after.map((item) => take((old) => old === item));
  const matched = after.map((item, i) => {
    const name = nameOf(item);
    return same[i] ?? (name === undefined ? undefined : take((old) => nameOf(old) === name));
  });
  seq.items = after.map((item, i) => {
    const old = matched[i];
    return old === undefined ? document.createNode(item) : syncNode(document, seq.items[old], before[old], item);
  });
}
