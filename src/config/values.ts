/**
 * The kinds of value a setting can have: how each is read from text, and how it is shown again.
 * Pure; used by the table only. A reader never throws: what is wrong comes back with a remedy.
 */
import { isIP, isIPv6 } from "node:net";
import type { HostPort } from "./types.js";

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: string; readonly remedy: string };

export interface Kind<T> {
  /** What stands for the value in `--help`, without angle brackets. */
  readonly metavar: string;
  /** Bounds or choices as one phrase for `--help`. */
  readonly bounds: string | undefined;
  /** A secret is never shown and has no flag, because a process list shows flags. */
  readonly secret: boolean;
  read(text: string): Read<T>;
  show(value: T): string;
}

const good = <T>(value: T): Read<T> => ({ ok: true, value });
const bad = (problem: string, remedy: string): Read<never> => ({ ok: false, problem, remedy });

export const MAX_PORT = 65_535;
const hostName = /^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?\.?$/;

/** Whether a text is an IP address or looks like a host name. IPv6 without brackets. */
export function isHost(text: string): boolean {
  if (text.length === 0 || text.length > 253) return false;
  if (isIP(text) !== 0) return true;
  // Digits and dots that are no IPv4 address are a mistyped one, not a name.
  return hostName.test(text) && !/^[0-9.]+$/.test(text);
}

/**
 * Splits `host`, `host:port`, `[v6]` or `[v6]:port`. The port is undefined where there is none, NaN where it is not a
 * whole number up to 65535; the host is not checked.
 */
export function splitHostPort(text: string): { host: string; port: number | undefined } {
  const match = /^\[([^\]]*)\](?::(.*))?$/s.exec(text);
  const bracketed = match && isIPv6(match[1]!) ? match : undefined;
  const colon = text.lastIndexOf(":");
  const host = bracketed ? bracketed[1]! : colon < 0 ? text : text.slice(0, colon);
  const port = bracketed ? bracketed[2] : colon < 0 ? undefined : text.slice(colon + 1);
  if (port === undefined) return { host, port: undefined };
  return { host, port: /^\d{1,5}$/.test(port) && Number(port) <= MAX_PORT ? Number(port) : Number.NaN };
}

/** `host:port`, with brackets around an IPv6 host. */
export function showHostPort({ host, port }: HostPort): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === "localhost" ||
    /^127\.\d+\.\d+\.\d+$/.test(name) ||
    (isIPv6(name) && /^(::1|(0+:){7}0*1|::ffff:127\..*)$/.test(name))
  );
}

/** An address to listen on. Port 0 takes any free port. */
export function address(example: string): Kind<HostPort> {
  return {
    metavar: "host:port",
    bounds: undefined,
    secret: false,
    read(text) {
      const { host, port } = splitHostPort(text);
      const write = `Write host:port, for example ${example}; an IPv6 host stands in brackets.`;
      if (port === undefined) return bad("has no port", write);
      if (Number.isNaN(port)) return bad(`has a port that is not a whole number from 0 to ${MAX_PORT}`, write);
      if (!isHost(host) || (host.includes(":") && !text.startsWith("["))) {
        return bad("has a host that is neither an IP address nor a host name", write);
      }
      return good({ host, port });
    },
    show: showHostPort,
  };
}

interface Unit {
  readonly name: string;
  readonly factor: number;
}

const times: readonly Unit[] = [
  { name: "ms", factor: 1 },
  { name: "s", factor: 1000 },
  { name: "m", factor: 60_000 },
  { name: "h", factor: 3_600_000 },
];
const sizes: readonly Unit[] = [
  { name: "B", factor: 1 },
  { name: "KiB", factor: 1024 },
  { name: "MiB", factor: 1024 ** 2 },
  { name: "GiB", factor: 1024 ** 3 },
];

/** The shortest exact form: the largest unit that divides the number. */
function showQuantity(units: readonly Unit[], value: number): string {
  const unit = units.findLast(({ factor }) => value !== 0 && value % factor === 0) ?? units[0]!;
  return `${value / unit.factor}${unit.name}`;
}

function quantity(metavar: string, units: readonly Unit[], min: number, max: number, guess: (unit: string) => string) {
  const low = showQuantity(units, min);
  const high = showQuantity(units, max);
  const names = units.map(({ name }) => name).join(", ");
  const kind: Kind<number> = {
    metavar,
    bounds: `${low} to ${high}`,
    secret: false,
    read(text) {
      const found = /^(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z]*)$/.exec(text);
      if (!found) return bad(`is not a ${metavar}`, `Write a number and a unit (${names}), for example ${low}.`);
      const [, digits, given] = found;
      const unit = units.find(({ name }) => name === given);
      if (!unit) {
        const problem = given === "" ? "has no unit" : `has the unknown unit ${given}`;
        return bad(problem, `Write ${digits}${guess(given!)}; the units are ${names}.`);
      }
      const value = Number(digits) * unit.factor;
      if (value < min || value > max) return bad("is out of bounds", `Give a value from ${low} to ${high}.`);
      if (!Number.isInteger(value)) return bad(`is not a whole number of ${units[0]!.name}`, `Use a smaller unit.`);
      return good(value);
    },
    show: (value) => showQuantity(units, value),
  };
  return kind;
}

/** A time in milliseconds. */
export function duration(min: number, max: number): Kind<number> {
  return quantity("duration", times, min, max, (given) => (/^(sec|secs|seconds?|S)$/i.test(given) ? "s" : "ms"));
}

/** A number of bytes. Units are powers of 1024 and say so; MB and Mi are refused rather than guessed. */
export function size(min: number, max: number): Kind<number> {
  return quantity("size", sizes, min, max, (given) => {
    const letter = /^[kmg]/i.exec(given)?.[0].toUpperCase();
    return letter === undefined ? "B" : `${letter}iB`;
  });
}

export function count(min: number, max: number): Kind<number> {
  return {
    metavar: "count",
    bounds: `${min} to ${max}`,
    secret: false,
    read(text) {
      if (!/^\d{1,15}$/.test(text)) return bad("is not a whole number", `Write digits only, for example ${min}.`);
      const value = Number(text);
      if (value < min || value > max) return bad("is out of bounds", `Give a value from ${min} to ${max}.`);
      return good(value);
    },
    show: String,
  };
}

export function choice<const T extends string>(values: readonly T[]): Kind<T> {
  return {
    metavar: values.join("|"),
    bounds: undefined,
    secret: false,
    read(text) {
      const value = values.find((candidate) => candidate === text);
      return value === undefined ? bad("is not one of the choices", `Choose ${values.join(" or ")}.`) : good(value);
    },
    show: (value) => value,
  };
}

/** Exact channel names and prefixes (`name*`), separated by commas. */
export const channelList: Kind<string[]> = {
  metavar: "list",
  bounds: undefined,
  secret: false,
  read(text) {
    const names = text.split(",").map((name) => name.trim());
    for (const name of names) {
      if (name === "") return bad("has an empty entry", "Separate the channel names by single commas.");
      // A prefix that reached our own side channels would make the sidecar encode what it has encoded.
      if (name.startsWith("~kf") || (name.endsWith("*") && "~kf".startsWith(name.slice(0, -1)))) {
        return bad("covers the channels ~kf…, which are the sidecars' own", "Name the Socket.IO channels only.");
      }
      if (/[*?[\]\\]/.test(name.slice(0, -1)) || /[?[\]\\]$/.test(name)) {
        return bad(
          "is not a list of names and prefixes",
          "A star may stand at the end of an entry only; no other patterns.",
        );
      }
    }
    return good([...new Set(names)]);
  },
  show: (names) => names.join(","),
};

/** Host names or IP addresses without ports, separated by commas. */
export const hostList: Kind<string[]> = {
  metavar: "list",
  bounds: undefined,
  secret: false,
  read(text) {
    const hosts = text.split(",").flatMap((name) => name.trim() || []);
    const write = "Write hosts without ports, separated by commas.";
    if (hosts.length === 0) return bad("names no host", write);
    if (!hosts.every(isHost)) return bad("has an entry that is neither an IP address nor a host name", write);
    return good(hosts);
  },
  show: (hosts) => hosts.join(","),
};

export const secretText: Kind<string> = {
  metavar: "text",
  bounds: undefined,
  secret: true,
  read: good,
  show: () => "***",
};

export const plainText: Kind<string> = { ...secretText, secret: false, show: (text) => text };

export const filePath: Kind<string> = { ...plainText, metavar: "file" };
