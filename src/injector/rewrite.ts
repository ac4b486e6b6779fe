/**
 * Which of the app's variables point at the sidecar from now on, and what the sidecar is told of the server behind it.
 * The database that each of the app's connections works on stays what it was: an app that names one says SELECT itself,
 * one that names none, or 0, says nothing, and the sidecar then starts in the database of its upstream's URL.
 */
import { parseUpstreamUrl } from "../config/upstream.js";
import { type Asked, DOMAIN } from "./annotations.js";
import { canonical, needed, said, usesSettings } from "./expand.js";
import { type Container, type EnvEntry, variable } from "./pod.js";
import { type Note, type NoteCode, type Refusal, refuse } from "./reasons.js";
import { type Content, contentOf } from "./record.js";
import { names, REDIS_URL, type Route, routeOf, targetOf, WEBSOCKET_URL, type Which } from "./routes.js";
import { APP_URL } from "./sidecar.js";
import { type Source, switchedOn } from "./source.js";
import { KEY_PREFIX, keyPrefix, sharesKeyPrefix } from "./state.js";

/** A variable of a container that gets another value, or is added. */
export interface Edit {
  readonly container: string;
  readonly name: string;
  readonly content: Content;
  /** Where it is added: in front of this variable, where $(NAME) means what it means to that one; else at the end. */
  readonly before?: string;
}

export interface Planned {
  readonly kind: "planned";
  readonly edits: readonly Edit[];
  /** The upstream, as the sidecar's variables, and the prefix of the app's keys. */
  readonly env: readonly EnvEntry[];
  /** Whether the sidecar can learn its pod's users. */
  readonly stateful: boolean;
  readonly notes: readonly Note[];
}

export function planRoutes(containers: readonly Container[], source: Source, asked: Asked): Planned | Refusal {
  const planner = new Planner(source, asked);
  for (const container of containers) planner.add(container);
  return planner.planned(containers);
}

class Planner {
  readonly #source: Source;
  readonly #asked: Asked;
  readonly #on: ReadonlySet<Which>;
  readonly #edits: Edit[] = [];
  readonly #notes = new Map<string, Note>();
  /** The ways that go through the sidecar. */
  readonly #routed: Route[] = [];
  #clash: Refusal | undefined;

  constructor(source: Source, asked: Asked) {
    this.#source = source;
    this.#asked = asked;
    this.#on = new Set(switchedOn(asked));
    if (source.kind === "text" && source.from === "annotation" && /:\/\/[^/?#]*@/.test(source.text)) {
      this.#note("password_in_annotation", `${DOMAIN}upstream`);
    }
  }

  add(container: Container): void {
    const websocket = routeOf(container, "websocket");
    const redis = routeOf(container, "redis");
    const websocketIn = websocket === undefined ? this.#fromOutside() : this.#isRouted(websocket);
    const redisIn = redis !== undefined && this.#isRouted(redis);
    const own = websocket?.url.name === WEBSOCKET_URL;
    const first = this.#edits.length;

    if (redis !== undefined && redisIn) this.#edit(container, REDIS_URL, { value: this.#appUrl(redis) });
    // Where it falls back to REDIS_URL, one variable moves both, unless only one is to move.
    if (websocketIn && (own || !redisIn)) {
      this.#edit(container, WEBSOCKET_URL, { value: this.#appUrl(websocket) }, REDIS_URL);
    } else if (websocket !== undefined && !own && !websocketIn && redisIn) {
      this.#edit(container, WEBSOCKET_URL, contentOf(websocket.url), REDIS_URL);
    }
    if (websocketIn) this.#withoutSentinels(container, "websocket");
    if (redisIn) this.#withoutSentinels(container, "redis");
    const left = [websocketIn ? undefined : websocket, redisIn ? undefined : redis];
    this.#clash ??= clash(container, left, this.#edits.slice(first));

    if (redis !== undefined && !redisIn && this.#on.has("redis")) this.#note("redis_url_left", container.name);
    if (websocket !== undefined && !websocketIn && this.#on.has("websocket")) {
      this.#note("websocket_url_left", container.name);
    }
    const seen = [websocketIn ? websocket : undefined, redisIn ? redis : undefined].filter(
      (route) => route !== undefined,
    );
    if (seen.some(({ target }) => target.droppedTls)) this.#note("tls_options_dropped", container.name);
    if (this.#source.kind === "app" && container.envFrom?.length && seen.some(({ hosts }) => hosts === undefined)) {
      this.#note("env_from_unseen", container.name);
    }
  }

  planned(containers: readonly Container[]): Planned | Refusal {
    const changed = new Set(this.#edits.map(({ container }) => container));
    const edited = containers.filter(({ name }) => changed.has(name));
    const [first] = edited;
    if (first === undefined) return refuse("nothing_routed", "What is switched on names other servers.");
    const route = this.#copiedRoute();
    const problem = this.#clash ?? (route && settingsUsed(route));
    if (problem !== undefined) return problem;
    // A plain proxy learns nothing.
    const learns = this.#asked.frames !== "off";
    const stateful = learns && sharesKeyPrefix(edited);
    if (learns && !stateful) this.#note("key_prefixes_differ", edited.map(({ name }) => name).join(", "));
    const env = this.#upstream(first, stateful);
    return { kind: "planned", edits: this.#edits, env, stateful, notes: [...this.#notes.values()] };
  }

  #note(code: NoteCode, about: string): void {
    this.#notes.set(`${code} ${about}`, { code, about });
  }

  #edit({ name: container }: Container, name: string, content: Content, before?: string): void {
    this.#edits.push({ container, name, content, ...(before !== undefined && { before }) });
  }

  /** What the app is told: the sidecar, and its own database where that is seen, else that of a given upstream. */
  #appUrl(route: Route | undefined): string {
    if (route !== undefined && (route.target.db !== undefined || route.target.tail !== "")) {
      return APP_URL + route.target.tail;
    }
    const read = this.#source.kind === "text" ? parseUpstreamUrl(this.#source.text) : undefined;
    return read?.ok ? `${APP_URL}/${read.value.upstream.db}` : APP_URL;
  }

  /** An upstream that the app does not name itself, so that the app is told of the sidecar where it names none. */
  #fromOutside(): boolean {
    return this.#source.kind !== "app" && this.#on.has("websocket");
  }

  #isRouted(route: Route): boolean {
    if (!this.#on.has(route.which) || route.cluster) return false;
    const same = this.#sameServer(route);
    const declared = this.#source.kind !== "app" && (route.which === "websocket" || this.#asked["redis-url"] === "on");
    if (!same && !declared) return false;
    if (!same && route.which === "websocket") this.#note("replaced_upstream", route.container.name);
    this.#routed.push(route);
    return true;
  }

  #sameServer(route: Route): boolean {
    const source = this.#source;
    switch (source.kind) {
      case "app":
        return route.target.server === source.route.target.server;
      case "text":
        return route.target.server === targetOf({ kind: "shown", text: source.text, left: new Map() }, ["", ""]).server;
      case "secret": {
        const url = said(route.container, route.url);
        if (url.kind !== "hidden" || route.hosts !== undefined) return false;
        return url.reference === canonical({ secretKeyRef: { name: source.name, key: source.key } });
      }
      default:
        return source satisfies never;
    }
  }

  /** The app must not look for sentinels any more. What it has from envFrom is hidden by a variable of its own. */
  #withoutSentinels(container: Container, which: Which): void {
    const { hosts } = names[which];
    const entry = variable(container, hosts);
    if (entry === undefined ? container.envFrom?.length : entry.valueFrom || entry.value) {
      this.#edit(container, hosts, { value: "" });
    }
  }

  /** The route whose variables the sidecar gets, where it gets the app's. */
  #copiedRoute(): Route | undefined {
    const source = this.#source;
    return source.kind === "app" ? (this.#routed.find(({ target }) => target.db === 0) ?? source.route) : undefined;
  }

  /** The upstream, and where the sidecar is to learn its users the prefix of one of the containers: all have the same. */
  #upstream(first: Container, stateful: boolean): EnvEntry[] {
    const source = this.#source;
    const prefixOf = (container: Container): Moved[] => {
      const entry = stateful ? keyPrefix(container) : undefined;
      return entry === undefined ? [] : [["KEYFRAME_KEY_PREFIX", entry]];
    };
    const prefix = () => copied(first, prefixOf(first));
    switch (source.kind) {
      case "secret": {
        const { name, key } = source;
        return [{ name: "KEYFRAME_UPSTREAM", valueFrom: { secretKeyRef: { name, key } } }, ...prefix()];
      }
      case "text": {
        const on0 = this.#routed.some(({ target }) => target.db === 0);
        return [{ name: "KEYFRAME_UPSTREAM", value: on0 ? withDatabase0(source.text) : source.text }, ...prefix()];
      }
      case "app": {
        const { container, url, hosts, port } = this.#copiedRoute() ?? source.route;
        const moved: Moved[] = [["KEYFRAME_UPSTREAM", url]];
        if (hosts !== undefined) moved.push(["KEYFRAME_SENTINEL_HOSTS", hosts]);
        if (port !== undefined) moved.push(["KEYFRAME_SENTINEL_PORT", port]);
        return copied(container, [...moved, ...prefixOf(container)]);
      }
      default:
        return source satisfies never;
    }
  }
}

/** Why a container cannot be changed so: a variable that keeps its value refers to one that gets another, so would not. */
function clash(
  container: Container,
  left: readonly (Route | undefined)[],
  edits: readonly Edit[],
): Refusal | undefined {
  const changed = new Set(edits.map(({ name }) => variable(container, name)));
  const kept = [...left.flatMap((route) => [route?.url, route?.hosts, route?.port]), variable(container, KEY_PREFIX)];
  for (const entry of kept) {
    const used = entry && needed(container, entry).find((one) => changed.has(one));
    if (used === undefined) continue;
    const what = `${entry!.name} of container ${container.name} is to keep its value, but refers to ${used.name}`;
    return refuse("bad_upstream", `${what}, which is to get another.`);
  }
  return undefined;
}

/** Why the sidecar cannot have a route's variables, if so, however well the server is known. */
function settingsUsed({ container, url, hosts, port, which }: Route): Refusal | undefined {
  if (![url, hosts, port].some((entry) => entry !== undefined && usesSettings(container, entry))) return undefined;
  const where = `${url.name} of container ${container.name} or ${names[which].hosts}`;
  return refuse("bad_upstream", `${where} uses a variable named KEYFRAME_….`);
}

/** The sidecar's name for one of the app's variables. */
type Moved = readonly [string, EnvEntry];

/** Variables of a container under the sidecar's names, and what they refer to, in the order in which they mean the same. */
function copied(container: Container, moved: readonly Moved[]): EnvEntry[] {
  const wanted = new Set(moved.flatMap(([, entry]) => needed(container, entry)));
  const renamed = new Map(moved.map(([name, entry]) => [entry, name]));
  return (container.env ?? []).flatMap((entry) => {
    const name = renamed.get(entry);
    return [...(wanted.has(entry) ? [entry] : []), ...(name === undefined ? [] : [{ name, ...contentOf(entry) }])];
  });
}

/** An upstream's URL with database 0, for apps whose own URL says so and that therefore send no SELECT. */
function withDatabase0(text: string): string {
  const read = parseUpstreamUrl(text);
  if (!read.ok || read.value.upstream.db === 0) return text;
  return text.replace(/^([^:]+:\/\/[^/?#]*)\/\d+/, "$1/0");
}
