/** The list of commands, in the order in which `--help` shows them. A new one is a file of its own and a line here. */
import type { Command } from "./command.js";
import { config } from "./commands/config.js";
import { healthcheck } from "./commands/healthcheck.js";
import { inject } from "./commands/inject.js";
import { injector } from "./commands/injector.js";
import { injectorCerts } from "./commands/injector-certs.js";
import { sidecar } from "./commands/sidecar.js";

export const commands: readonly Command[] = [sidecar, config, healthcheck, inject, injector, injectorCerts];
