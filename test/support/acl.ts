/** The rights that docs/OPERATIONS.md says the sidecar's user needs, and what a server says that it has denied. */
import { readFileSync } from "node:fs";
import { inRoot } from "./root.js";
import type { Server } from "./server.js";

const SECTION = "## What the upstream user may do";

/** The words of the ACL in the document, one array for each of its code blocks, from `resetkeys` or the first `&` on. */
export function documentedRights(): string[][] {
  const text = readFileSync(inRoot("docs", "OPERATIONS.md"), "utf8");
  const section = text.split(SECTION)[1]?.split(/^## /m)[0];
  if (section === undefined) throw new Error(`docs/OPERATIONS.md has no section "${SECTION}"`);
  const blocks: string[][] = [];
  let open = false;
  for (const line of section.split("\n")) {
    if (!line.startsWith("    ")) open = false;
    else {
      if (!open) blocks.push([]);
      open = true;
      blocks.at(-1)!.push(...line.trim().split(/\s+/));
    }
  }
  return blocks
    .filter((words) => words.slice(0, 2).join(" ") === "ACL SETUSER")
    .map((words) => words.slice(3).filter((word) => word !== "on" && !word.startsWith(">")));
}

/** Makes a user with these rights, and returns the URL with which a sidecar logs in as it. */
export async function userWith(server: Server, name: string, rights: readonly string[]): Promise<string> {
  await server.cli("ACL", "SETUSER", name, "reset", "on", ">pw", ...rights);
  return `redis://${name}:pw@127.0.0.1:${server.port}/0`;
}

/** What the server has denied to this user so far, such as `command 'role' (toplevel)`, each once. */
export async function denialsOf(server: Server, user: string): Promise<string[]> {
  const entries = JSON.parse(await server.cli("--json", "ACL", "LOG", "1000")) as Record<string, unknown>[];
  const own = entries.filter(({ username }) => username === user);
  return [...new Set(own.map(({ reason, object, context }) => `${reason} '${object}' (${context})`))].sort();
}
