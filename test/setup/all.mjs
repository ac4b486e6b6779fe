/**
 * All set-up of a clean clone: `node test/setup/all.mjs --for test|demo|bench|failover`. Run before the npm scripts that need it;
 * done already, it takes a fraction of a second. Ends with code 1, and says what to install, when something cannot be had.
 */
import { Missing, say } from "./lib.mjs";
import { setUpNodeModules } from "./node-modules.mjs";
import { setUpPython } from "./python.mjs";
import { setUpServer } from "./server.mjs";

const purposes = ["test", "demo", "bench", "failover"];
const purpose = process.argv[process.argv.indexOf("--for") + 1] ?? "test";

try {
  if (!purposes.includes(purpose)) throw new Missing(`--for is one of ${purposes.join(", ")}`);
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 15)) {
    throw new Missing(`Node 20.15 or newer is needed; this is ${process.version}`);
  }
  await setUpNodeModules();
  await setUpServer();
  if (purpose === "test") await setUpPython();
  if (purpose === "failover") await setUpPython(["py-new-redis8"]);
  if (purpose === "demo") {
    // The demo is still worth seeing without Python: then its Node part alone runs, and says so.
    await setUpPython(["py-new-redis8", "py-5.13-redis5"]).catch((error) => {
      if (!(error instanceof Missing)) throw error;
      say(`no Python part: ${error.message}`);
    });
  }
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  process.exit(1);
}
