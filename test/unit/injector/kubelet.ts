/**
 * What a kubelet makes of a container's environment, and the app of that, for tests that ask what a change means and not
 * what it looks like.
 */
import type { Container } from "../../../src/injector/pod.js";

/** What Secrets and ConfigMaps hold, by name and key. */
export type Stored = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** References looked up, $(NAME) of earlier variables replaced, $$ a dollar; the last of a name counts. */
export function environment({ env }: Container, stored: Stored): Record<string, string> {
  const made: Record<string, string> = {};
  for (const { name, value, valueFrom } of env ?? []) {
    const from = valueFrom as { [kind: string]: { name: string; key: string } } | null | undefined;
    const reference = from?.secretKeyRef ?? from?.configMapKeyRef;
    made[name] = reference
      ? stored[reference.name]![reference.key]!
      : (value ?? "").replace(/\$\$|\$\(([^()]*)\)/g, (token, inner?: string) =>
          inner === undefined ? "$" : Object.hasOwn(made, inner) ? made[inner]! : token,
        );
  }
  return made;
}

/** As Open WebUI reads it: an empty text is no URL, and the websockets' own is REDIS_URL where it is not set. */
export function effective(env: Record<string, string>, name: string): string | undefined {
  const found = name === "WEBSOCKET_REDIS_URL" ? (env[name] ?? env.REDIS_URL) : env[name];
  return found === "" ? undefined : found;
}

/** Undefined where it is no URL, as where a password holds one: no client connects with that, so there is no server. */
export function parts(url: string): { server: string; db: number } | undefined {
  const found = /^(rediss?:\/\/[^/?#]*)(?:\/([^/?#]*))?(?:\?[^#]*)?$/.exec(url);
  if (found === null) return undefined;
  const [, server = "", database = ""] = found;
  return { server: /:\d+$/.test(server) ? server : `${server}:6379`, db: Number(database) };
}
