/**
 * Every annotation of a pod that the injector reads, in one table: name, values, meaning. The reading and
 * the complaints are made from it, and a test holds docs/INJECTOR.md to it.
 */

import { upstreamText } from "../config/injector.js";
import { cpuBounds, memoryBounds, quantityPair } from "../config/quantity.js";
import { shownValue } from "../config/redact.js";
import { nearest } from "../config/suggest.js";
import { frameModes, logLevels } from "../config/types.js";
import { choice, type Kind } from "../config/values.js";
import type { Pod, Strings } from "./pod.js";

export const DOMAIN = "keyframe.dev/";
/** Written by the injector: the reason's code, and the codes of the notes. */
export const STATUS = `${DOMAIN}status`;
/** kubectl's own: which container `logs` and `exec` mean. */
export const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";

/** A kind of text that a pattern describes. */
function pattern(accepted: string, regex: RegExp): Kind<string> {
  return {
    metavar: accepted,
    bounds: undefined,
    secret: false,
    read: (text) =>
      regex.test(text)
        ? { ok: true, value: text }
        : { ok: false, problem: "is not of that form", remedy: `Write ${accepted}.` },
    show: (text) => text,
  };
}

const SECRET = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/[-._a-zA-Z0-9]{1,253}$/;
const IMAGE = /^[a-zA-Z0-9][-a-zA-Z0-9._/:@]{0,510}$/;
const CONTAINERS = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\s*,\s*[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

interface Row<T> {
  readonly kind: Kind<T>;
  readonly example: string;
  readonly doc: string;
}

const row = <T>(kind: Kind<T>, example: string, doc: string): Row<T> => ({ kind, example, doc });
const onOff = choice(["on", "off"]);
const yesNo = choice(["true", "false"]);

export const table = {
  inject: row(
    yesNo,
    "true",
    "Asks for a sidecar, or refuses one. A label of that name does too; `false` wins over `true`.",
  ),
  upstream: row(
    upstreamText,
    "redis://valkey:6379/0",
    "The server behind the sidecar, in place of the app's own URL. Whoever can read the pod can read it: passwords belong into a Secret.",
  ),
  "upstream-secret": row(
    pattern("a Secret's name and key as name/key", SECRET),
    "open-webui-redis/url",
    "The Secret of the pod's namespace that holds that URL. Needed where the app has it from `envFrom`. It is referred to, never read.",
  ),
  container: row(
    pattern("names of containers, separated by commas", CONTAINERS),
    "open-webui",
    "The containers to point at the sidecar. By default those whose image is an Open WebUI or that have a `WEBSOCKET_REDIS_URL`, else those with a `REDIS_URL`.",
  ),
  "websocket-redis-url": row(onOff, "on", "Whether `WEBSOCKET_REDIS_URL` goes through the sidecar; `on` by default."),
  "redis-url": row(
    onOff,
    "off",
    "Whether `REDIS_URL` does. By default it does where it is seen to name the same server. `on` says that it does; this counts where `keyframe.dev/upstream` or `upstream-secret` is given.",
  ),
  image: row(pattern("the name of an image", IMAGE), "registry.example/keyframe:0.1.0", "The sidecar's image."),
  "log-level": row(choice(logLevels), "info", "Least severe log lines of the sidecar."),
  frames: row(choice(frameModes), "auto", "`off` makes the sidecar a plain proxy."),
  cpu: row(
    quantityPair(cpuBounds),
    "100m",
    "The sidecar's CPU: a request, or a request and a limit; one value is a request without a limit.",
  ),
  memory: row(quantityPair(memoryBounds), "128Mi/512Mi", "Its memory. One value is both request and limit."),
  "native-sidecar": row(
    yesNo,
    "true",
    "Whether the sidecar is a native one (an init container that keeps running; Kubernetes 1.29) or a plain container.",
  ),
} as const;

export type AnnotationKey = keyof typeof table;
type ValueOf<K extends AnnotationKey> = (typeof table)[K] extends Row<infer T> ? T : never;
export type Asked = { readonly [K in AnnotationKey]?: ValueOf<K> };

const keys = Object.keys(table) as AnnotationKey[];

/** Whether a pod wants a sidecar, by annotation or label; undefined where it does not say, or says something odd. */
export function wish({ metadata }: Pod): boolean | undefined {
  const name = `${DOMAIN}inject`;
  const said = [metadata?.annotations?.[name], metadata?.labels?.[name]].filter((value) => value !== undefined);
  if (said.includes("false")) return false;
  // Neither word: it is asked for, and the reading says what is wrong with it.
  return said.length > 0 ? true : undefined;
}

/** Reads all annotations. The first that cannot be read comes back as a sentence with its name and what is accepted. */
export function readAnnotations({ metadata }: Pod): { asked: Asked } | { problem: string } {
  const texts: Strings = metadata?.annotations ?? {};
  const unknown = Object.keys(texts).find(
    (name) => name.startsWith(DOMAIN) && name !== STATUS && !keys.includes(name.slice(DOMAIN.length) as AnnotationKey),
  );
  if (unknown !== undefined) {
    const near = nearest(unknown.slice(DOMAIN.length), keys);
    return { problem: `${unknown} is not an annotation of keyframe.${near ? ` Did you mean ${DOMAIN}${near}?` : ""}` };
  }
  const label = metadata?.labels?.[`${DOMAIN}inject`];
  const given: [AnnotationKey, string][] = keys.flatMap((key) => {
    const text = texts[DOMAIN + key];
    return text === undefined ? [] : [[key, text.trim()]];
  });
  if (label !== undefined) given.push(["inject", label]);

  const asked: Partial<Record<AnnotationKey, unknown>> = {};
  for (const [key, text] of given) {
    const read = table[key].kind.read(text);
    if (read.ok) {
      asked[key] = read.value;
      continue;
    }
    // A URL that could not be read may hold a password anywhere.
    const shown = key === "upstream" ? "" : `=${shownValue(text)}`;
    return { problem: `${DOMAIN}${key}${shown} ${read.problem}. ${read.remedy}` };
  }
  if (asked.upstream !== undefined && asked["upstream-secret"] !== undefined) {
    return { problem: `${DOMAIN}upstream is given beside ${DOMAIN}upstream-secret. Remove one of the two.` };
  }
  return { asked: asked as Asked };
}
