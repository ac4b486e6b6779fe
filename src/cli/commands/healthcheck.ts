/**
 * `keyframe healthcheck`: asks a sidecar on this host whether it runs. For images and pods whose admin address is on
 * loopback, where a probe from outside cannot go. Needs the admin address only, so it says nothing of other settings.
 */
import { get } from "node:http";
import { readSetting } from "../../config/parse.js";
import { settings, table } from "../../config/table.js";
import type { HostPort } from "../../config/types.js";
import { unknownFlags } from "../../config/unknown.js";
import { showHostPort } from "../../config/values.js";
import { type Command, Exit } from "../command.js";
import { parseFlags } from "../flags.js";
import { reportIssues } from "../load.js";

const TIMEOUT_MS = 2000;

export const healthcheck: Command = {
  name: "healthcheck",
  summary: "Ask the sidecar at the admin address whether it runs; exit code 0 means yes.",
  switches: [{ name: "ready", doc: "Ask /readyz instead of /healthz." }],
  async run(args, io) {
    const { flags, switches, errors } = parseFlags(args, this.switches);
    const { value, issue } = readSetting("admin", io.env, flags);
    const issues = [...errors, ...unknownFlags(flags, settings), ...(issue ? [issue] : [])];
    if (value?.port === 0) {
      const problem = "takes any free port, which another process cannot know";
      issues.push({ setting: table.admin.env, value: undefined, problem, remedy: "Name a port." });
    }
    if (issues.length > 0 || value === undefined) {
      reportIssues(issues, io);
      return Exit.Usage;
    }
    const path = switches.has("ready") ? "/readyz" : "/healthz";
    const { ok, text } = await ask(value, path);
    (ok ? io.stdout : io.stderr)(`${text}\n`);
    return ok ? Exit.Ok : Exit.Failure;
  },
};

/** An address to dial where a server listens on all of its own. */
function dialled({ host, port }: HostPort): HostPort {
  if (host === "0.0.0.0") return { host: "127.0.0.1", port };
  return { host: /^[0:]+$/.test(host) ? "::1" : host, port };
}

function ask(address: HostPort, path: string): Promise<{ ok: boolean; text: string }> {
  const { host, port } = dialled(address);
  const at = `http://${showHostPort({ host, port })}${path}`;
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException) =>
      resolve({ ok: false, text: `${at}: ${error.code ?? error.message}` });
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const request = get({ host, port, path, agent: false, signal }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        if (body.length < 4096) body += chunk;
      });
      response.on("error", fail);
      response.on("end", () => resolve({ ok: response.statusCode === 200, text: body }));
    });
    request.on("error", fail);
  });
}
