/** `keyframe injector-certs`: makes and renews the webhook's certificate; a job of the chart, and again as a CronJob. */
import { certsTable, parseCertsConfig } from "../../config/injector.js";
import type { Settings } from "../../config/setting.js";
import { type Command, Exit } from "../command.js";
import { parseFlags } from "../flags.js";
import { reportIssues } from "../load.js";

const settings = Object.values(certsTable) as Settings;

export const injectorCerts: Command = {
  name: "injector-certs",
  summary: "Make or renew the webhook's certificate, and make the API server trust it.",
  switches: [],
  settings,
  async run(args, io) {
    const { flags, errors } = parseFlags(args, this.switches, settings);
    const result = parseCertsConfig(io.env, flags);
    if (errors.length > 0 || !result.ok) {
      reportIssues([...errors, ...(result.ok ? [] : result.errors)], io);
      return Exit.Usage;
    }
    const { dir, namespace = "default", service, secret = "", webhookConfiguration, renewBeforeMs } = result.value;
    try {
      const { serviceNames } = await import("../../injector/certs/issue.js");
      if (dir !== undefined) {
        const { keepFiles } = await import("../../injector/certs/files.js");
        const own = service === undefined ? [] : serviceNames(service, namespace);
        io.stdout(`${await keepFiles(dir, ["localhost", "127.0.0.1", ...own], renewBeforeMs, Date.now())}\n`);
        return Exit.Ok;
      }
      // Loaded late: the client is large, and only this way needs it.
      const { connect } = await import("../../injector/certs/cluster.js");
      const { renew } = await import("../../injector/certs/renew.js");
      const options = { namespace, service: service ?? "", secret, webhookConfiguration, renewBeforeMs };
      for (const line of await renew(connect(), options, Date.now())) io.stdout(`${line}\n`);
      return Exit.Ok;
    } catch (error) {
      io.stderr(`keyframe: ${(error as Error).message}\n`);
      return Exit.Failure;
    }
  },
};
