#!/usr/bin/env node
/** The executable: hands the arguments to the command line and its exit code to the system. */
import { run } from "./cli/run.js";

const code = await run(process.argv.slice(2), {
  env: process.env,
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
});
// A drained sidecar may leave handles open, so the process is ended, but not before its output is out.
process.stdout.write("", () => process.exit(code));
