/**
 * The program and its packages as a few files, for the image: half the CPU at start and 15 MiB less memory than the same
 * from node_modules (docs/PERFORMANCE.md). What only one command needs is a file of its own, loaded when it is asked for.
 * Beside them: every bundled package's licence, and package.json, in which the program finds its version.
 *
 *   node deploy/image/bundle.mjs --out DIRECTORY     after `npm run build`
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const { out } = parseArgs({ options: { out: { type: "string" } } }).values;
if (!out) throw new Error("--out DIRECTORY is needed");

const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["dist/main.js"],
  outdir: join(out, "dist"),
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20.15",
  // Names and lines stay readable in a stack trace; minified code starts no faster and takes as much memory.
  minify: false,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
  // Packages written as CommonJS ask for node's own modules with require.
  banner: {
    js: 'import { createRequire as keyframeRequire } from "node:module"; const require = keyframeRequire(import.meta.url);',
  },
});

/** The folders of the packages of which something went into the bundle. */
const packages = new Set();
for (const [file, { bytesInOutput }] of Object.values(metafile.outputs).flatMap(({ inputs }) =>
  Object.entries(inputs),
)) {
  const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file);
  if (found && bytesInOutput > 0) packages.add(found[1]);
}

const licences = [...packages].sort().map((folder) => {
  const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
  const file = readdirSync(join(root, folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(join(root, folder, file), "utf8").trim() : `Licence: ${license}`;
  return `${name} ${version}\n\n${text}\n`;
});

mkdirSync(out, { recursive: true });
writeFileSync(join(out, "THIRD-PARTY-LICENSES"), licences.join(`\n${"-".repeat(80)}\n\n`));
for (const file of ["package.json", "LICENSE"]) {
  if (existsSync(join(root, file))) cpSync(join(root, file), join(out, file));
}
const size = Object.values(metafile.outputs).reduce((sum, { bytes }) => sum + bytes, 0);
process.stdout.write(`${packages.size} packages, ${Object.keys(metafile.outputs).length} files, ${size} bytes\n`);
