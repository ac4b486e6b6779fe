/**
 * Whether a server is the master that it was named as: it says so itself (ROLE) and takes commands (PING). Sentinels can
 * name a server that has been demoted or is still reading its data.
 */
import type { Address } from "./address.js";
import { type Clients, SilentError } from "./client.js";
import { isPermanent } from "./open.js";

export type Refusal = { reason: "not_master" | "loading" | "unreachable"; text: string; permanent: boolean };

/** Undefined when it is the master, or does not let us ask: its ACL is no reason to stay away. */
export async function prove(clients: Clients, address: Address): Promise<Refusal | undefined> {
  try {
    return await clients.converse(address, async (client) => {
      const said = (promise: Promise<unknown>) => promise.catch((error: Error) => error);
      const [role, ping] = await Promise.all([said(client.call("ROLE")), said(client.call("PING"))]);
      return judge(role, ping);
    });
  } catch (error) {
    const { message } = error as Error;
    // Refused credentials: the connection that is dialled next gets the same answer, and its owner says so.
    if (/^(WRONGPASS|NOAUTH|NOPERM|ERR)\b/.test(message) && !(error instanceof SilentError)) return undefined;
    if (/^LOADING\b/.test(message)) return { reason: "loading", text: "is loading its data", permanent: false };
    return { reason: "unreachable", text: `cannot be reached: ${message}`, permanent: isPermanent(error) };
  }
}

/** What the replies to ROLE and PING say. Pure; an Error stands for an error reply. */
export function judge(role: unknown, ping: unknown): Refusal | undefined {
  const refused = (reason: Refusal["reason"], text: string): Refusal => ({ reason, text, permanent: false });
  for (const reply of [role, ping]) {
    if (!(reply instanceof Error)) continue;
    if (/^LOADING\b/.test(reply.message)) return refused("loading", "is loading its data");
    if (/^MASTERDOWN\b/.test(reply.message)) return refused("not_master", "is a replica that has lost its master");
    if (/^(Connection is closed|read E|write E)/.test(reply.message)) {
      return refused("unreachable", `cannot be reached: ${reply.message}`);
    }
  }
  if (!Array.isArray(role) || role[0] === "master") return undefined;
  if (role[0] === "slave") return refused("not_master", "is a replica");
  return refused("not_master", `is no master but a ${String(role[0]).slice(0, 32)}`);
}
