/** `keyframe injector`: the webhook that puts sidecars into pods. */
import { type InjectorConfig, parseInjectorConfig, serverTable } from "../../config/injector.js";
import type { Settings } from "../../config/setting.js";
import { parseUpstreamUrl } from "../../config/upstream.js";
import type { Log } from "../../core/ports.js";
import { type Command, Exit } from "../command.js";
import { parseFlags } from "../flags.js";
import { live } from "../lifecycle.js";
import { reportIssues } from "../load.js";
import { createLog } from "../log.js";

const settings = Object.values(serverTable) as Settings;

export const injector: Command = {
  name: "injector",
  summary: "Run the admission webhook that puts sidecars into pods, until SIGTERM or SIGINT.",
  switches: [],
  settings,
  async run(args, io) {
    const { flags, errors } = parseFlags(args, this.switches, settings);
    const result = parseInjectorConfig(io.env, flags);
    if (errors.length > 0 || !result.ok) {
      reportIssues([...errors, ...(result.ok ? [] : result.errors)], io);
      return Exit.Usage;
    }
    const config = result.value;
    const { log, flush } = createLog({ level: config.logLevel, secrets: secretsOf(config) });
    const start = async (...given: [InjectorConfig, Log]) =>
      (await import("../../injector-app.js")).startInjector(...given);
    return live(config, [], { log, flush, start, host: process });
  },
};

function secretsOf({ upstream }: InjectorConfig): string[] {
  const read = upstream === undefined ? undefined : parseUpstreamUrl(upstream);
  return read?.ok && read.value.upstream.password !== undefined ? [read.value.upstream.password] : [];
}
