/** `keyframe config`: what the sidecar would run with, and where each value comes from. No secret is printed. */
import { effectiveJson, effectiveText } from "../../config/help.js";
import { type Command, Exit } from "../command.js";
import { loadConfig } from "../load.js";

export const config: Command = {
  name: "config",
  summary: "Print the effective configuration, without secrets, and where each value comes from.",
  switches: [{ name: "json", doc: "Print one JSON object." }],
  async run(args, io) {
    const loaded = loadConfig(args, io, this.switches);
    if (loaded === undefined) return Exit.Usage;
    const { settings, warnings, switches } = loaded;
    if (switches.has("json")) {
      io.stdout(effectiveJson(settings, warnings));
      return Exit.Ok;
    }
    io.stdout(effectiveText(settings));
    for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
    return Exit.Ok;
  },
};
