/** Arguments, environment and the files they name to a configuration, or to error lines on stderr. */
import { readFileSync, statSync } from "node:fs";
import { issueText } from "../config/help.js";
import { parseConfig } from "../config/parse.js";
import { given, type Settings } from "../config/setting.js";
import { settings as sidecarSettings } from "../config/table.js";
import type { ConfigIssue, Env, FileContent, Files, Flags, ParseResult } from "../config/types.js";
import type { Io, Switch } from "./command.js";
import { parseFlags } from "./flags.js";

// Certificates and passwords are small; a path to something else must not fill the memory.
const MAX_FILE_BYTES = 1024 * 1024;

type Loaded = Extract<ParseResult, { ok: true }> & { readonly switches: ReadonlySet<string> };

/** Loads the configuration for a command. On errors it writes all of them to stderr and returns undefined. */
export function loadConfig(args: readonly string[], io: Io, switches: readonly Switch[]): Loaded | undefined {
  const parsed = parseFlags(args, switches);
  const result = parseConfig(io.env, parsed.flags, readFiles(io.env, parsed.flags));
  if (result.ok && parsed.errors.length === 0) return { ...result, switches: parsed.switches };
  reportIssues([...parsed.errors, ...(result.ok ? [] : result.errors)], io);
  return undefined;
}

/** Writes errors to stderr, one a line. */
export function reportIssues(issues: readonly ConfigIssue[], io: Io): void {
  const count = issues.length === 1 ? "one error" : `${issues.length} errors`;
  io.stderr(`keyframe: ${count} in the configuration\n${issues.map((issue) => `  ${issueText(issue)}\n`).join("")}`);
}

/** What the files hold that settings name. */
export function readFiles(env: Env, flags: Flags, settings: Settings = sidecarSettings): Files {
  const files: Record<string, FileContent> = {};
  for (const setting of settings) {
    const path = setting.readsFile ? given(setting, env, flags)?.text : undefined;
    if (path) files[path] = readBounded(path);
  }
  return files;
}

function readBounded(path: string): FileContent {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) return { ok: false, problem: "is not a file" };
    if (stat.size > MAX_FILE_BYTES) return { ok: false, problem: "names a file larger than 1MiB" };
    return { ok: true, text: readFileSync(path, "utf8") };
  } catch (error) {
    return { ok: false, problem: `cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})` };
  }
}
