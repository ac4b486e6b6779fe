/** Finds the command and runs it; prints help and version. Returns the exit code instead of leaving. */
import { settingsHelp } from "../config/help.js";
import { nearest } from "../config/suggest.js";
import { type Command, Exit, type ExitCode, type Io } from "./command.js";
import { commands as allCommands } from "./commands.js";
import { version } from "./version.js";

/** Runs the command line. `args` are the process's arguments without the interpreter and the script. */
export async function run(
  args: readonly string[],
  io: Io,
  commands: readonly Command[] = allCommands,
): Promise<ExitCode> {
  const [name, ...rest] = args;
  if (name === "--version" || name === "-V") {
    io.stdout(`${version()}\n`);
    return Exit.Ok;
  }
  if (name === "--help" || name === "-h" || name === "help") {
    io.stdout(help(commands));
    return Exit.Ok;
  }
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    io.stderr(`keyframe: ${complaint(name, commands)}\n`);
    return Exit.Usage;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    io.stdout(help([command]));
    return Exit.Ok;
  }
  return command.run(rest, io);
}

function complaint(name: string | undefined, commands: readonly Command[]): string {
  const names = commands.map((command) => command.name);
  if (name === undefined || name.startsWith("-")) return `name a command: ${names.join(", ")}. See keyframe --help.`;
  const near = nearest(name, names);
  return near ? `unknown command. Did you mean ${near}?` : `unknown command. The commands are ${names.join(", ")}.`;
}

function help(commands: readonly Command[]): string {
  const [only] = commands;
  const usage = commands.length === 1 ? only!.name : "<command>";
  const lines = commands.flatMap(({ name, summary, switches }) => [
    `  ${name.padEnd(14)}  ${summary}`,
    ...switches.map((option) => `  ${"".padEnd(14)}  --${option.name}: ${option.doc}`),
  ]);
  const settings = commands.length === 1 ? only!.settings : undefined;
  return `Usage: keyframe ${usage} ${(commands.length === 1 && only!.usage) || "[flags]"}
       keyframe --help | --version

${commands.length === 1 ? "Command" : "Commands"}:
${lines.join("\n")}

Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.

${settingsHelp(settings)}
`;
}
