/** Where the sidecar's upstream comes from: what the pod says in an annotation, the app's own URL, or the injector's default. */
import type { Injection } from "../config/injector.js";
import type { Asked } from "./annotations.js";
import { said } from "./expand.js";
import type { Container } from "./pod.js";
import { type Refusal, refuse } from "./reasons.js";
import { type Route, routeOf, type Which } from "./routes.js";

export type Source =
  | { readonly kind: "text"; readonly text: string; readonly from: "annotation" | "default" }
  | { readonly kind: "secret"; readonly name: string; readonly key: string }
  | { readonly kind: "app"; readonly route: Route };

/** Which ways are to go through the sidecar, unless they turn out to lead elsewhere. */
export function switchedOn(asked: Asked): Which[] {
  const on: Which[] = [];
  if (asked["websocket-redis-url"] !== "off") on.push("websocket");
  if (asked["redis-url"] !== "off") on.push("redis");
  return on;
}

export function sourceOf(containers: readonly Container[], settings: Injection, asked: Asked): Source | Refusal {
  const on = switchedOn(asked);
  if (on.length === 0) return refuse("nothing_routed", "Both are switched off.");
  if (asked.upstream !== undefined) return { kind: "text", text: asked.upstream, from: "annotation" };
  if (asked["upstream-secret"] !== undefined) {
    const [name, key] = asked["upstream-secret"].split("/") as [string, string];
    return { kind: "secret", name, key };
  }
  const routes = on.flatMap((which) => containers.flatMap((container) => routeOf(container, which) ?? []));
  const route = routes.find(({ cluster }) => !cluster);
  if (route === undefined) {
    if (routes.length > 0) return refuse("cluster");
    if (containers.some(({ envFrom }) => envFrom?.length)) return refuse("upstream_hidden");
    if (settings.upstream === undefined) return refuse("no_redis");
    return { kind: "text", text: settings.upstream, from: "default" };
  }
  return obstacle(route) ?? { kind: "app", route };
}

function obstacle({ container, url, hosts, port, target }: Route): Refusal | undefined {
  const where = `${url.name} of container ${container.name}`;
  for (const entry of [url, hosts, port]) {
    const value = entry && said(container, entry);
    if (value?.kind !== "shown") continue;
    const unknown = [...value.left].find(([, reference]) => reference === undefined)?.[0];
    // Not of the pod: it can only be a Service's, which the sidecar has as well, unless it is in what is not seen.
    if (unknown === undefined || !container.envFrom?.length) continue;
    return refuse("upstream_hidden", `${entry!.name} of container ${container.name} uses $(${unknown}).`);
  }
  return target.problem === undefined ? undefined : refuse("bad_upstream", `${where}: ${target.problem}.`);
}
