/**
 * The parts of a pod that the injector looks at, and the check that a stranger's JSON has their shape. Everything else
 * of a pod is carried along untouched, known to us or not.
 */

export interface EnvEntry {
  readonly name: string;
  readonly value?: string | null;
  readonly valueFrom?: unknown;
}

export interface Container {
  readonly name: string;
  readonly image?: string | null;
  readonly args?: readonly string[] | null;
  readonly env?: readonly EnvEntry[] | null;
  readonly envFrom?: readonly unknown[] | null;
  readonly ports?: readonly { readonly containerPort?: number; readonly [other: string]: unknown }[] | null;
  readonly restartPolicy?: string | null;
  readonly [other: string]: unknown;
}

export interface Volume {
  readonly name: string;
  readonly [other: string]: unknown;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[] | null;
  readonly volumes?: readonly Volume[] | null;
  readonly hostNetwork?: boolean | null;
  readonly restartPolicy?: string | null;
  readonly [other: string]: unknown;
}

export type Strings = Readonly<Record<string, string>>;

export interface Metadata {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Strings | null;
  readonly annotations?: Strings | null;
  readonly [other: string]: unknown;
}

/** A pod, or the template of one. */
export interface Pod {
  readonly metadata?: Metadata | null;
  readonly spec: PodSpec;
  readonly [other: string]: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const absent = (value: unknown): boolean => value === undefined || value === null;
const optional = (value: unknown, check: (value: unknown) => boolean): boolean => absent(value) || check(value);
const isText = (value: unknown): boolean => typeof value === "string";
const listOf = (value: unknown, check: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(check);
const isStrings = (value: unknown): boolean => isRecord(value) && Object.values(value).every(isText);

function isEnvEntry(value: unknown): boolean {
  return isRecord(value) && isText(value.name) && optional(value.value, isText) && optional(value.valueFrom, isRecord);
}

function isPort(value: unknown): boolean {
  return isRecord(value) && optional(value.containerPort, (port) => typeof port === "number");
}

function isContainer(value: unknown): boolean {
  return (
    isRecord(value) &&
    isText(value.name) &&
    optional(value.image, isText) &&
    optional(value.args, (args) => listOf(args, isText)) &&
    optional(value.env, (env) => listOf(env, isEnvEntry)) &&
    optional(value.envFrom, (list) => listOf(list, isRecord)) &&
    optional(value.ports, (ports) => listOf(ports, isPort))
  );
}

const isVolume = (value: unknown): boolean => isRecord(value) && isText(value.name);

/** Where a value does not look like a pod, in words; undefined where it does. */
export function shapeProblem(value: unknown): string | undefined {
  if (!isRecord(value)) return "it is not an object";
  const { metadata, spec } = value;
  if (!optional(metadata, isRecord)) return "metadata is not an object";
  for (const field of ["labels", "annotations"] as const) {
    const found = isRecord(metadata) ? metadata[field] : undefined;
    if (!optional(found, isStrings)) return `metadata.${field} is not a map of strings`;
  }
  if (!isRecord(spec)) return "spec is not an object";
  if (!listOf(spec.containers, isContainer)) return "spec.containers is not a list of containers";
  if (!optional(spec.initContainers, (list) => listOf(list, isContainer))) {
    return "spec.initContainers is not a list of containers";
  }
  if (!optional(spec.volumes, (list) => listOf(list, isVolume))) return "spec.volumes is not a list of volumes";
  return undefined;
}

/** The name of a pod for people; pods of controllers have none yet when they are reviewed. */
export function podName({ metadata }: Pod): string {
  const { name, generateName } = metadata ?? {};
  return name ?? (generateName === undefined ? "(no name)" : `${generateName}…`);
}

/** The entry that decides a variable's value: the last of its name, as the kubelet sees it. */
export function variable({ env }: Container, name: string): EnvEntry | undefined {
  return env?.findLast((entry) => entry.name === name);
}
