/**
 * The ways of a container to Redis, as Open WebUI reads its environment: WEBSOCKET_REDIS_URL, which is REDIS_URL where it
 * is not set, and REDIS_URL itself; each with a list of sentinels of its own, and then the host is the master's name.
 */
import { parseUpstreamUrl } from "../config/upstream.js";
import { isLoopback } from "../config/values.js";
import { canonical, type Said, said } from "./expand.js";
import { type Container, type EnvEntry, variable } from "./pod.js";

export const WEBSOCKET_URL = "WEBSOCKET_REDIS_URL";
export const REDIS_URL = "REDIS_URL";
export const WEBSOCKET_HOSTS = "WEBSOCKET_SENTINEL_HOSTS";

export type Which = "websocket" | "redis";

interface Names {
  readonly urls: readonly string[];
  readonly hosts: string;
  readonly port: string;
  readonly cluster: readonly string[];
}

export const names: Readonly<Record<Which, Names>> = {
  websocket: {
    urls: [WEBSOCKET_URL, REDIS_URL],
    hosts: WEBSOCKET_HOSTS,
    port: "WEBSOCKET_SENTINEL_PORT",
    cluster: ["WEBSOCKET_REDIS_CLUSTER", "REDIS_CLUSTER"],
  },
  redis: { urls: [REDIS_URL], hosts: "REDIS_SENTINEL_HOSTS", port: "REDIS_SENTINEL_PORT", cluster: ["REDIS_CLUSTER"] },
};

export interface Route {
  readonly which: Which;
  readonly container: Container;
  readonly url: EnvEntry;
  /** Undefined where it is not set, or set to nothing. */
  readonly hosts: EnvEntry | undefined;
  readonly port: EnvEntry | undefined;
  readonly cluster: boolean;
  readonly target: Target;
}

/** What can be told of a URL. Two routes with one `server` lead to one server with the same credentials. */
export interface Target {
  readonly server: string;
  /** The database's number; undefined where it is not seen. */
  readonly db: number | undefined;
  /** What follows the host in the app's own URL once that is the sidecar: its database and its client's options. */
  readonly tail: string;
  readonly droppedTls: boolean;
  /** Why the sidecar could not use it, if so. */
  readonly problem: string | undefined;
}

const URL_PARTS = /^(rediss?):\/\/([^/?#]*)((?:\/[^?#]*)?)((?:\?[^#]*)?)$/i;

/** The route of a container, or undefined where it has no such URL that can be seen. */
export function routeOf(container: Container, which: Which): Route | undefined {
  const { urls, hosts, port, cluster } = names[which];
  const url = urls.map((name) => variable(container, name)).find((entry) => entry !== undefined);
  if (url === undefined) return undefined;
  const saysNothing = (entry: EnvEntry): boolean => {
    const text = said(container, entry);
    return text.kind === "shown" && text.text.trim() === "";
  };
  if (saysNothing(url)) return undefined;
  const set = (name: string): EnvEntry | undefined => {
    const entry = variable(container, name);
    return entry === undefined || saysNothing(entry) ? undefined : entry;
  };
  const sentinels = set(hosts);
  const sentinelPort = sentinels && set(port);
  const switched = cluster.map((name) => variable(container, name)).find((entry) => entry !== undefined);
  const behind = [sentinels, sentinelPort].map((entry) => (entry === undefined ? "" : key(said(container, entry))));
  return {
    which,
    container,
    url,
    hosts: sentinels,
    port: sentinelPort,
    cluster: switched?.value?.toLowerCase() === "true",
    target: targetOf(said(container, url), behind),
  };
}

function key(value: Said): string {
  return canonical(value.kind === "hidden" ? ["from", value.reference] : ["text", value.text, [...value.left]]);
}

export function targetOf(url: Said, behind: readonly string[]): Target {
  const seen = { droppedTls: false, problem: undefined };
  if (url.kind === "hidden") return { ...seen, server: canonical([key(url), behind]), db: undefined, tail: "" };
  const parts = URL_PARTS.exec(url.text);
  const problem = problemOf(url.text, url.left.size > 0, parts !== null);
  if (parts === null || problem !== undefined) {
    return { ...seen, server: canonical([key(url), behind]), db: undefined, tail: "", problem: problem ?? "" };
  }
  const [, scheme, authority, path, query] = parts as unknown as [string, string, string, string, string];
  const database = /^\/?(\d{0,7})\/?$/.exec(path)?.[1];
  const db = database === undefined ? undefined : Number(database);
  const left = [...url.left];
  // A database that is not seen makes the URL one of its own, because the sidecar could not tell it from another.
  const server = canonical([scheme.toLowerCase(), withPort(authority), left, behind, db === undefined ? path : ""]);
  const options = query.slice(1).split("&");
  const kept = options.filter((option) => option !== "" && !option.startsWith("ssl_"));
  return {
    server,
    db,
    tail: path + (kept.length > 0 ? `?${kept.join("&")}` : ""),
    droppedTls: options.some((option) => option.startsWith("ssl_")),
    problem: undefined,
  };
}

/** What the sidecar would say of the URL, without a word of it. Where variables are left it is only looked at roughly. */
function problemOf(text: string, partly: boolean, parts: boolean): string | undefined {
  if (partly) return parts ? undefined : "it is not redis:// or rediss://";
  const read = parseUpstreamUrl(text);
  if (!read.ok) return `it ${read.problem}`;
  const { upstream } = read.value;
  if (!parts || upstream.kind !== "static") return "it is not redis:// or rediss://";
  if (upstream.port === 6380 && isLoopback(upstream.host)) return "it is the sidecar's own address";
  return undefined;
}

function withPort(authority: string): string {
  return /:(?:\d+|\$\([^()]*\))$/.test(authority.slice(authority.lastIndexOf("@") + 1))
    ? authority
    : `${authority}:6379`;
}
