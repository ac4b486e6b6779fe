/**
 * All set-up of a clean clone: `node test/setup/all.mjs --for test|demo|bench|failover|deploy|cluster|image`. Run before the
 * npm scripts that need it; done already, it takes a fraction of a second. Ends with code 1, and says what to install, when
 * something cannot be had.
 */
import { setUpPromtool, setUpSchemas } from "./deploy.mjs";
import { clusterTools, deployTools, setUpGoTools } from "./go.mjs";
import { setUpImage } from "./image.mjs";
import { Missing, say } from "./lib.mjs";
import { setUpNodeModules } from "./node-modules.mjs";
import { setUpPython } from "./python.mjs";
import { setUpServer } from "./server.mjs";

/** What each purpose needs beside the npm packages. */
const purposes = {
  test: async () => {
    await setUpServer();
    await setUpPython();
  },
  failover: async () => {
    await setUpServer();
    await setUpPython(["py-new-redis8"]);
  },
  demo: async () => {
    await setUpServer();
    // The demo is still worth seeing without Python: then its Node part alone runs, and says so.
    await setUpPython(["py-new-redis8", "py-5.13-redis5"]).catch((error) => {
      if (!(error instanceof Missing)) throw error;
      say(`no Python part: ${error.message}`);
    });
  },
  bench: setUpServer,
  deploy: async () => {
    await setUpSchemas();
    await setUpPromtool();
    await setUpGoTools(deployTools);
  },
  cluster: async () => {
    await setUpSchemas();
    await setUpGoTools(clusterTools);
  },
  image: async () => {
    await setUpServer();
    await setUpSchemas();
    await setUpImage();
  },
};
const purpose = process.argv[process.argv.indexOf("--for") + 1] ?? "test";

try {
  const setUp = Object.hasOwn(purposes, purpose) ? purposes[purpose] : undefined;
  if (!setUp) throw new Missing(`--for is one of ${Object.keys(purposes).join(", ")}`);
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 15)) {
    throw new Missing(`Node 20.15 or newer is needed; this is ${process.version}`);
  }
  await setUpNodeModules();
  await setUp();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  process.exit(1);
}
