/** What a kubelet makes of a container's environment, for tests that ask what a change means and not what it looks like. */
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
