/**
 * Writes what is made from something else: the chart's README from its values, the dashboard's JSON from its list of
 * panels, the chart's copies of dashboard and alerts, the kustomize base from the chart. `--check` writes nothing and
 * ends with code 1, naming the files, when one of them is not up to date.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { goTool, setUpGoTools } from "../test/setup/go.mjs";
import { Missing, readText, run, tail } from "../test/setup/lib.mjs";
import { dashboard } from "./generate/dashboard.mjs";
import { kustomizeBase } from "./generate/kustomize.mjs";
import { chartReadme } from "./generate/readme.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const chart = join(here, "chart");
const base = join(here, "kustomize", "base");
const checkOnly = process.argv.includes("--check");
const stale = [];

function put(path, text) {
  if (readText(path) === text) return;
  stale.push(relative(here, path));
  if (!checkOnly) writeFileSync(path, text);
}

/** The chart with default values, with the versions that a cluster of today has. */
async function template() {
  await setUpGoTools(["helm"]);
  const args = ["template", "keyframe", chart, "--namespace", "keyframe", "--kube-version", "1.34.1"];
  const { code, output } = await run(goTool("helm"), args);
  if (code !== 0) throw new Missing(`helm template failed:\n${tail(output)}`);
  return output;
}

try {
  const text = (path) => readFileSync(path, "utf8");
  put(join(chart, "README.md"), chartReadme(text(join(chart, "values.yaml")), text(join(chart, "Chart.yaml"))));
  const board = dashboard();
  put(join(here, "dashboards", "keyframe.json"), board);
  put(join(chart, "files", "dashboard.json"), board);
  // The rules as the chart needs them: without the file's own opening comment.
  put(join(chart, "files", "alerts.yaml"), text(join(here, "alerts", "keyframe.yaml")).replace(/^(#.*\n)+/, ""));
  const files = kustomizeBase(await template());
  for (const name of readdirSync(base)) {
    if (files.has(name)) continue;
    stale.push(relative(here, join(base, name)));
    if (!checkOnly) rmSync(join(base, name));
  }
  for (const [name, content] of files) put(join(base, name), content);
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  process.stderr.write(`\n${error.message}\n`);
  process.exit(1);
}

const what = stale.length === 0 ? "everything is up to date" : stale.map((name) => `  deploy/${name}`).join("\n");
if (checkOnly && stale.length > 0) {
  process.stderr.write(`not up to date, run npm run deploy:generate:\n${what}\n`);
  process.exit(1);
}
process.stdout.write(`${checkOnly || stale.length === 0 ? what : `written:\n${what}`}\n`);
