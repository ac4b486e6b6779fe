/** `keyframe sidecar`: the process that stands beside the app. */
import { type Config, secretsOf } from "../../config/parse.js";
import type { Log } from "../../core/ports.js";
import { type Command, Exit } from "../command.js";
import { live } from "../lifecycle.js";
import { loadConfig } from "../load.js";
import { createLog } from "../log.js";

export const sidecar: Command = {
  name: "sidecar",
  summary: "Run the sidecar until SIGTERM or SIGINT.",
  switches: [],
  async run(args, io) {
    const loaded = loadConfig(args, io, this.switches);
    if (loaded === undefined) return Exit.Usage;
    const { config, warnings } = loaded;
    const { log, flush } = createLog({ level: config.logLevel, secrets: secretsOf(config) });
    // Loaded late: the other commands need none of the data plane, and a fault in loading is logged like any other.
    const start = async (...given: [Config, Log]) => (await import("../../app.js")).startSidecar(...given);
    return live(config, warnings, { log, flush, start, host: process });
  },
};
