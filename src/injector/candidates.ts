/** Which containers of a pod are the app. */
import { type Asked, DEFAULT_CONTAINER, DOMAIN } from "./annotations.js";
import { type Container, type Pod, variable } from "./pod.js";
import { REDIS_URL, WEBSOCKET_HOSTS, WEBSOCKET_URL } from "./routes.js";

export type Candidates =
  | { readonly ok: true; readonly containers: readonly Container[] }
  | { readonly ok: false; readonly problem: string };

function isOpenWebui({ image }: Container): boolean {
  return /(?:^|\/)open-webui(?:[:@]|$)/.test(image ?? "");
}

const has = (container: Container, ...names: string[]): boolean =>
  names.some((name) => variable(container, name) !== undefined);

/**
 * The containers that the annotation names; else those that are an Open WebUI; else those that have a Redis URL; else the
 * one that kubectl takes for the pod's main one, which matters only where an upstream is given from outside.
 */
export function candidatesOf(pod: Pod, asked: Asked): Candidates {
  const { containers } = pod.spec;
  if (asked.container !== undefined) {
    const names = asked.container.split(",").map((name) => name.trim());
    const missing = names.find((name) => !containers.some((container) => container.name === name));
    if (missing === undefined) return { ok: true, containers: containers.filter(({ name }) => names.includes(name)) };
    const there = containers.map(({ name }) => name).join(", ");
    return { ok: false, problem: `${DOMAIN}container names "${missing}"; the pod's containers are ${there}.` };
  }
  const openWebui = containers.filter((one) => isOpenWebui(one) || has(one, WEBSOCKET_URL, WEBSOCKET_HOSTS));
  if (openWebui.length > 0) return { ok: true, containers: openWebui };
  const redis = containers.filter((one) => has(one, REDIS_URL));
  if (redis.length > 0) return { ok: true, containers: redis };
  const main = pod.metadata?.annotations?.[DEFAULT_CONTAINER];
  return { ok: true, containers: [containers.find(({ name }) => name === main) ?? containers[0]].filter(isThere) };
}

const isThere = (container: Container | undefined): container is Container => container !== undefined;
