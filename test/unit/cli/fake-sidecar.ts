/**
 * A process with the real life cycle around a sidecar that does nothing, for lifecycle.test.ts. The first argument
 * chooses how it behaves; a line on stdin makes it fail in the way of that line.
 */
import { live } from "../../../src/cli/lifecycle.js";
import { createLog } from "../../../src/cli/log.js";
import { parseConfig } from "../../../src/config/parse.js";

const [behaviour = "good"] = process.argv.slice(2);
const result = parseConfig({ KEYFRAME_UPSTREAM: "redis://h", KEYFRAME_DRAIN_TIMEOUT: "100ms" }, {});
if (!result.ok) throw new Error("the configuration of the test is wrong");
const { log, flush } = createLog({ level: "debug", secrets: [] });

process.stdin.on("data", (line) => {
  if (line.toString().startsWith("throw")) throw new Error("thrown");
  void Promise.reject(new Error("rejected"));
});

const forever = new Promise<void>(() => {});

const code = await live(result.config, ["a warning"], {
  log,
  flush,
  host: process,
  start: async () => {
    if (behaviour === "no-start") throw Object.assign(new Error("address in use"), { code: "EADDRINUSE" });
    if (behaviour === "slow-start") {
      log.info("starting");
      await forever;
    }
    return {
      listen: "127.0.0.1:1",
      admin: "127.0.0.1:2",
      drain: async (reason) => {
        log.info("drain-called", { reason });
        if (behaviour === "bad-drain") throw new Error("drain failed");
        if (behaviour === "slow-drain") await forever;
      },
    };
  },
});
process.exit(code);
