/**
 * Names that are not in the table: a mistyped variable or flag is an error, because a limit that silently keeps its
 * default is found out in production. What Kubernetes sets on its own is left alone.
 */

import { ENV_PREFIX, type Settings } from "./setting.js";
import { nearest } from "./suggest.js";
import type { ConfigIssue, Env, Flags } from "./types.js";

function issue(setting: string, problem: string, remedy: string): ConfigIssue {
  return { setting, value: undefined, problem, remedy };
}

/** An error for each flag that is not in the table. Values are not shown: they may be secrets under a wrong name. */
export function unknownFlags(flags: Flags, settings: Settings): ConfigIssue[] {
  const names = settings.filter(({ flag }) => flag !== undefined).map(({ name }) => name);
  const unknown = Object.keys(flags).filter((name) => !names.includes(name));
  return unknown.map((name) => {
    const secret = settings.find((setting) => setting.name === name);
    if (secret) {
      return issue(`--${name}`, "would show a secret in the process list", `Use ${secret.env} or ${secret.env}_FILE.`);
    }
    const near = nearest(name, names);
    return issue(`--${name}`, "is not a flag", near ? `Did you mean --${near}?` : "See keyframe --help.");
  });
}

/*
 * For a Service "keyframe" or "keyframe-x" in its namespace Kubernetes sets KEYFRAME_SERVICE_HOST, KEYFRAME_SERVICE_PORT,
 * KEYFRAME_SERVICE_PORT_<name>, KEYFRAME_PORT and KEYFRAME_PORT_<n>_TCP[_PROTO|_PORT|_ADDR] in every container.
 */
const serviceVariable =
  /^KEYFRAME_(?:[A-Z0-9_]+_)?(?:SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
const servicePort = /^KEYFRAME_(?:[A-Z0-9_]+_)?PORT$/;

// What the injector keeps in the sidecar's environment: see src/injector/record.ts.
const injected = /^KEYFRAME_(?:INJECTED$|ORIGINAL_)/;

function isServiceVariable(name: string, value: string): boolean {
  // The value tells a Service's KEYFRAME_ADMIN_PORT=tcp://10.0.0.1:80 from a slip such as KEYFRAME_ADMIN_PORT=9465.
  return serviceVariable.test(name) || (servicePort.test(name) && /^(?:tcp|udp|sctp):\/\//.test(value));
}

/** An error for each KEYFRAME_* variable that is not in the table. */
export function unknownVariables(env: Env, settings: Settings, prefix = ENV_PREFIX): ConfigIssue[] {
  const names = settings.map(({ name }) => name);
  const known = new Set(settings.map(({ env: variable }) => variable));
  return (
    Object.keys(env)
      .filter((name) => name.startsWith(ENV_PREFIX) && !known.has(name) && env[name] !== undefined)
      // KEYFRAME_TEST_* steers the project's own tests, which pass their environment on.
      .filter((name) => !name.startsWith("KEYFRAME_TEST_") && !isServiceVariable(name, env[name]!))
      .filter((name) => !injected.test(name))
      .sort()
      .map((name) => {
        const near = nearest(name.slice(name.startsWith(prefix) ? prefix.length : ENV_PREFIX.length), names);
        const meant = settings.find((setting) => setting.name === near)?.env;
        const remedy = meant ? `Did you mean ${meant}?` : "Remove it; keyframe --help lists all.";
        // Its value may be a secret under a mistyped name, so it is not shown.
        return issue(name, "is not a variable of keyframe", remedy);
      })
  );
}
