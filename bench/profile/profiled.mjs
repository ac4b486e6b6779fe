// A sidecar under the profiler: starts it, loads dist/main.js, and writes what was seen when the process ends. Sampling begins with
// SIGUSR2, so that starting and warming up are not in it.
//
//   PROFILE_OUT=FILE node bench/profile/profiled.mjs sidecar …

import { writeFileSync } from "node:fs";
import { Session } from "node:inspector";

const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.setSamplingInterval", { interval: 250 });
process.on("SIGUSR2", () => session.post("Profiler.start"));
process.on("exit", () => {
  session.post("Profiler.stop", (error, result) => {
    if (error === null) writeFileSync(process.env.PROFILE_OUT, JSON.stringify(result.profile));
  });
});

await import("../../dist/main.js");
