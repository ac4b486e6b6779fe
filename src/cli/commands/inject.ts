/** `keyframe inject`: puts sidecars into manifests, or takes them out again, as the webhook would; a filter for files. */
import { readFileSync } from "node:fs";
import { injectionTable, parseInjection } from "../../config/injector.js";
import { type Settings, settingsUnder } from "../../config/setting.js";
import { filePath } from "../../config/values.js";
import { type Command, Exit } from "../command.js";
import { parseFlags } from "../flags.js";
import { reportIssues } from "../load.js";

const FILENAME = settingsUnder("")("filename", "sidecar", { kind: filePath, example: "deployment.yaml", doc: "" });
const parsed: Settings = [FILENAME, ...Object.values(injectionTable)] as Settings;

export const inject: Command = {
  name: "inject",
  summary: "Put sidecars into the manifests of a file, or take them out again; prints the result.",
  usage: "-f FILE|- [--uninject] [flags]",
  settings: Object.values(injectionTable) as Settings,
  switches: [{ name: "uninject", doc: "Take the sidecars out; -f FILE names the manifests, -f - reads stdin." }],
  async run(args, io) {
    const long = args.map((arg) => (arg === "-f" ? "--filename" : arg.replace(/^-f=?(?=[^-])/, "--filename=")));
    const { flags, switches, errors } = parseFlags(long, this.switches, parsed);
    const { filename, ...own } = flags;
    const uninject = switches.has("uninject");
    const result = parseInjection(io.env, own, !uninject);
    const issues = [...errors, ...(result.ok ? [] : result.errors)];
    if (typeof filename !== "string" || filename === "") {
      issues.push({ setting: "-f", value: undefined, problem: "is not given", remedy: "Name a file, or - for stdin." });
    }
    if (issues.length > 0 || !result.ok) {
      reportIssues(issues, io);
      return Exit.Usage;
    }
    let text: string;
    try {
      text = readFileSync(filename === "-" ? 0 : String(filename), "utf8");
    } catch (error) {
      io.stderr(`keyframe: ${filename} cannot be read (${(error as NodeJS.ErrnoException).code ?? "error"})\n`);
      return Exit.Failure;
    }
    // Loaded late: the sidecar has no use for a YAML library.
    const { changeManifests } = await import("../../injector/offline.js");
    const { output, reports } = changeManifests(text, uninject ? "uninject" : { inject: result.value });
    io.stdout(output);
    for (const { where, outcome, text: words } of reports) io.stderr(`${where}: ${outcome}: ${words}\n`);
    return reports.some(({ failed }) => failed) ? Exit.Failure : Exit.Ok;
  },
};
