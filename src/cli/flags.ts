/**
 * Arguments to flags, over node:util's parseArgs. That one stops at the first fault and quotes the argument, which may
 * be a password; here all faults come back and no argument is quoted.
 */
import { parseArgs } from "node:util";
import type { Settings } from "../config/setting.js";
import { settings as sidecarSettings } from "../config/table.js";
import type { ConfigIssue, Flags } from "../config/types.js";
import type { Switch } from "./command.js";

export interface ParsedFlags {
  /** Settings and whatever else began with two dashes; the configuration's parse judges the names. */
  readonly flags: Flags;
  /** Switches that were given. */
  readonly switches: ReadonlySet<string>;
  readonly errors: readonly ConfigIssue[];
}

/** Parses what follows the command's name. `switches` are the command's own flags without a value. */
export function parseFlags(
  args: readonly string[],
  switches: readonly Switch[],
  settings: Settings = sidecarSettings,
): ParsedFlags {
  // Without a prototype, so that --constructor is as unknown as any other name.
  const options: Record<string, { type: "string" | "boolean" }> = Object.create(null);
  for (const { name, flag } of settings) if (flag !== undefined) options[name] = { type: "string" };
  for (const { name } of switches) options[name] = { type: "boolean" };
  // parseArgs would take the next flag for the value of one that has none; an empty value is reported by the parse.
  const whole = args.map((arg, i) => {
    const bare = arg.startsWith("--") && options[arg.slice(2)]?.type === "string";
    return bare && (args[i + 1] ?? "--").startsWith("--") ? `${arg}=` : arg;
  });
  const { tokens } = parseArgs({ args: whole, options, strict: false, allowPositionals: true, tokens: true });

  const flags: Record<string, string | true> = Object.create(null);
  const given = new Set<string>();
  const errors: ConfigIssue[] = [];
  const fault = (setting: string, problem: string, remedy: string) =>
    errors.push({ setting, value: undefined, problem, remedy });
  // What follows an unknown flag looks like an argument of its own; one complaint is enough.
  let afterUnknown = false;
  for (const token of tokens) {
    if (token.kind === "positional" && !afterUnknown) {
      fault(`argument ${token.index + 1}`, "is not a flag", "A flag and its value begin with --name.");
    }
    afterUnknown = false;
    if (token.kind !== "option") continue;
    const type = options[token.name]?.type;
    if (type !== "boolean") {
      flags[token.name] = token.value ?? true;
      afterUnknown = type === undefined && token.value === undefined;
    } else if (token.value === undefined) {
      given.add(token.name);
    } else {
      fault(token.rawName, "takes no value", `Write ${token.rawName} alone.`);
    }
  }
  return { flags, switches: given, errors };
}
