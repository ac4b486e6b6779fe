/**
 * Upstream URLs: `redis://user:password@host:port/db`, `rediss://…` with TLS, and
 * `redis+sentinel://user:password@host:port,host:port/db/master`. Pure.
 *
 * Nothing of a URL that could not be read is ever repeated in a message. Where a password holds an unescaped `/` or
 * `?`, what looks like a port, a path or a query is part of the password.
 */
import { HIDDEN, percentEncode } from "./redact.js";
import type { HostPort, Upstream } from "./types.js";
import { isHost, type Kind, type Read, showHostPort, splitHostPort } from "./values.js";

const schemes = {
  redis: { sentinel: false, tls: false },
  rediss: { sentinel: false, tls: true },
  "redis+sentinel": { sentinel: true, tls: false },
  "rediss+sentinel": { sentinel: true, tls: true },
} as const;

const DEFAULT_PORT = 6379;
const DEFAULT_SENTINEL_PORT = 26_379;
/** Far above what any server is configured for; only keeps a slip of the finger from reaching SELECT. */
const MAX_DB = 1_000_000;

const FORM =
  "Write redis://user:password@host:6379/0 or redis+sentinel://user:password@host:26379,host:26379/0/master.";
const ESCAPE =
  "Percent-encode / ? # % and @ in the user name and the password, or give them in variables of their own.";

const bad = (problem: string, remedy = FORM): Read<never> => ({ ok: false, problem, remedy });

/** A parsed URL, with the names (never the values) of query parameters, which are for clients and not used here. */
export interface UpstreamUrl {
  readonly upstream: Upstream;
  readonly ignoredQuery: boolean;
}

/** Reads an upstream URL. Credentials come back percent-decoded. */
export function parseUpstreamUrl(text: string): Read<UpstreamUrl> {
  const split = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text);
  if (!split) return bad("is not a URL");
  const name = split[1]!.toLowerCase();
  if (!Object.hasOwn(schemes, name)) {
    return bad("has a scheme that is not redis, rediss, redis+sentinel or rediss+sentinel");
  }
  const scheme = schemes[name as keyof typeof schemes];
  if (/\s/.test(text)) return bad("holds white space", ESCAPE);

  const rest = split[2]!;
  const end = rest.search(/[/?#]/);
  const authority = end < 0 ? rest : rest.slice(0, end);
  const tail = end < 0 ? "" : rest.slice(end);
  if (tail.includes("@")) return bad("has an @ behind the host", ESCAPE);
  const at = authority.lastIndexOf("@");

  const user = readCredentials(at < 0 ? "" : authority.slice(0, at));
  if (!user.ok) return user;
  const nodes = readHosts(authority.slice(at + 1), scheme.sentinel);
  if (!nodes.ok) return nodes;
  const path = readPath(tail, scheme.sentinel);
  if (!path.ok) return path;

  const common = { tls: scheme.tls, db: path.value.db, ...user.value };
  const [first] = nodes.value;
  const upstream: Upstream = scheme.sentinel
    ? { kind: "sentinel", nodes: nodes.value, master: path.value.master, ...common }
    : { kind: "static", host: first!.host, port: first!.port, ...common };
  return { ok: true, value: { upstream, ignoredQuery: path.value.ignoredQuery } };
}

function readCredentials(text: string): Read<{ username?: string; password?: string }> {
  const colon = text.indexOf(":");
  const parts: { username?: string; password?: string } = {};
  try {
    const username = decodeURIComponent(colon < 0 ? text : text.slice(0, colon));
    const password = colon < 0 ? "" : decodeURIComponent(text.slice(colon + 1));
    if (username !== "") parts.username = username;
    if (password !== "") parts.password = password;
  } catch {
    return bad("has a % in its credentials that is not a percent escape of UTF-8", "Write a plain % as %25.");
  }
  return { ok: true, value: parts };
}

function readHosts(text: string, sentinel: boolean): Read<HostPort[]> {
  const entries = text.split(",");
  if (!sentinel && entries.length > 1) {
    return bad("names several hosts", "Name one host, or use redis+sentinel:// with a list of sentinels.");
  }
  const nodes: HostPort[] = [];
  for (const entry of entries) {
    const { host, port = sentinel ? DEFAULT_SENTINEL_PORT : DEFAULT_PORT } = splitHostPort(entry);
    if (entry === "" || host === "") return bad("has no host, or an empty one in its list");
    if (Number.isNaN(port) || port === 0)
      return bad("has a port that is not a whole number from 1 to 65535", `${FORM} ${ESCAPE}`);
    if (host.includes(":") && !entry.startsWith("["))
      return bad("has an IPv6 host without brackets", "Write [::1]:6379.");
    if (!isHost(host)) return bad("has a host that is neither an IP address nor a host name", `${FORM} ${ESCAPE}`);
    nodes.push({ host, port });
  }
  return { ok: true, value: nodes };
}

function readPath(tail: string, sentinel: boolean): Read<{ db: number; master: string; ignoredQuery: boolean }> {
  const hash = tail.indexOf("#");
  if (hash >= 0) return bad("has a fragment (#…)", ESCAPE);
  const mark = tail.indexOf("?");
  const path = (mark < 0 ? tail : tail.slice(0, mark)).replace(/\/$/, "").split("/").slice(1);
  const query = new URLSearchParams(mark < 0 ? "" : tail.slice(mark + 1));
  for (const name of ["db", "username", "password"]) {
    if (query.has(name)) return bad(`gives ${name} as a query parameter`, FORM);
  }
  const [dbText = "", masterText = ""] = path;
  if (path.length > (sentinel ? 2 : 1)) return bad("has more in its path than the database", `${FORM} ${ESCAPE}`);
  if (dbText !== "" && !(/^\d{1,7}$/.test(dbText) && Number(dbText) <= MAX_DB)) {
    return bad(`has a database that is not a whole number from 0 to ${MAX_DB}`, `${FORM} ${ESCAPE}`);
  }
  let master: string;
  try {
    master = decodeURIComponent(masterText);
  } catch {
    return bad("has a master name with a % that is not a percent escape of UTF-8", "Write a plain % as %25.");
  }
  if (sentinel && master === "") {
    return bad("does not name the master", "End the URL in /<database>/<master name>, for example /0/mymaster.");
  }
  return { ok: true, value: { db: Number(dbText || "0"), master, ignoredQuery: [...query.keys()].length > 0 } };
}

/**
 * The URL that stands for an upstream, with `***` for the password. The user name is shown beside a password only: alone
 * it may be a password whose colon was forgotten (`redis://secret@host`).
 */
export function showUpstream(upstream: Upstream): string {
  const scheme = upstream.tls ? "rediss" : "redis";
  const user = showCredentials(upstream.username, upstream.password);
  switch (upstream.kind) {
    case "static":
      return `${scheme}://${user}${showHostPort(upstream)}/${upstream.db}`;
    case "sentinel": {
      const nodes = upstream.nodes.map(showHostPort).join(",");
      return `${scheme}+sentinel://${user}${nodes}/${upstream.db}/${percentEncode(upstream.master)}`;
    }
    default:
      return upstream satisfies never;
  }
}

function showCredentials(username: string | undefined, password: string | undefined): string {
  if (password === undefined) return username === undefined ? "" : `${HIDDEN}@`;
  return `${percentEncode(username ?? "")}:${HIDDEN}@`;
}

export const upstreamUrl: Kind<UpstreamUrl> = {
  metavar: "url",
  bounds: undefined,
  secret: false,
  read: parseUpstreamUrl,
  show: ({ upstream }) => showUpstream(upstream),
};
