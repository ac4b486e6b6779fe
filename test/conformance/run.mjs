// `npm run conformance`: test suites of others, straight against a server and through a sidecar, first redis-py's
// (redis-py.mjs), then the server's own in TCL (tcl.mjs). Exits 1 when a test passes direct and not through a sidecar,
// unless by-design.json names it with a reason. `node test/conformance/run.mjs tcl` or `... redis-py` runs one of them.
//
//   --legs direct,sidecar,frames   which legs (direct is always run)
//   --sequential                   redis-py: one leg after the other; without it all at once, each with its own server
//   --limit SECONDS                time limit of one leg of redis-py, of one unit in TCL (600)
//   --retries N                    how often what differs is run again, both ways (5)
//   --out FILE                     everything as JSON
//   other arguments                redis-py's files or node ids; behind `tcl` its units, as unit/pubsub

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runRedisPy } from "./redis-py.mjs";
import { runTcl } from "./tcl.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    legs: { type: "string", default: "direct,sidecar,frames" },
    sequential: { type: "boolean", default: false },
    limit: { type: "string", default: "600" },
    retries: { type: "string", default: "5" },
    out: { type: "string" },
  },
});

const suites = { "redis-py": runRedisPy, tcl: runTcl };
const [first = "", ...rest] = positionals;
// Without a suite's name, arguments are redis-py's, as they were before there was another suite.
const chosen = first in suites ? [first] : first === "" ? Object.keys(suites) : ["redis-py"];
const tests = first in suites ? rest : positionals;

const reports = {};
for (const name of chosen) reports[name] = await suites[name](options, tests);
const failures = Object.values(reports).reduce((sum, report) => sum + report.failures, 0);
if (options.out) writeFileSync(options.out, `${JSON.stringify(reports, null, 2)}\n`);
process.exitCode = failures === 0 ? 0 : 1;
