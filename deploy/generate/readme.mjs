/**
 * The chart's README from values.yaml: the comment above a value is its documentation. A value without one is an error,
 * so none stays undocumented.
 */
import { isMap, isScalar, parseDocument } from "yaml";

/** The comment of a pair as one line of text. */
function comment(pair, before) {
  const text = pair.key.commentBefore ?? before ?? "";
  // A blank line ends what belongs to something above.
  const own = text.split(/\n\s*\n/).at(-1);
  return own.replace(/\n\s*/g, " ").trim();
}

function rowsOf(map, path, rows) {
  map.items.forEach((pair, index) => {
    const name = [...path, pair.key.value];
    // The first comment in a mapping belongs to the mapping in the parser's eyes.
    const doc = comment(pair, index === 0 ? map.commentBefore : undefined);
    const group = isMap(pair.value) && pair.value.items.length > 0;
    const documented = doc !== "" && path.length > 0 && group;
    if (group && !documented) {
      rowsOf(pair.value, name, rows);
      return;
    }
    if (doc === "") throw new Error(`values.yaml: ${name.join(".")} has no comment above it`);
    const value = isScalar(pair.value) ? pair.value.value : pair.value.toJSON();
    rows.push([`\`${name.join(".")}\``, `\`${JSON.stringify(value)}\``, doc]);
  });
}

/** A table as Markdown, columns aligned. */
function table(head, rows) {
  const all = [head, ...rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")))];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [line(all[0]), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...all.slice(1).map(line)];
}

/**
 * @param {string} values text of values.yaml
 * @param {string} chart text of Chart.yaml
 */
export function chartReadme(values, chart) {
  const { name, description, version, kubeVersion } = parseDocument(chart).toJSON();
  const rows = [];
  const document = parseDocument(values);
  const { contents } = document;
  // The file's own opening comment is no value's.
  if (contents.items[0].key.commentBefore === undefined && contents.commentBefore !== undefined) {
    contents.items[0].key.commentBefore = contents.commentBefore.split(/\n\s*\n/).at(-1);
  }
  contents.commentBefore = undefined;
  rowsOf(contents, [], rows);
  return `${[
    `# Helm chart ${name}`,
    "",
    `${description}. Chart ${version}, Kubernetes ${kubeVersion.replace("-0", "")}.`,
    "Made from `values.yaml` by `npm run deploy:generate`; change that file, not this one.",
    "",
    "    helm install keyframe deploy/chart --namespace keyframe --create-namespace \\",
    "      --set image.registry=YOUR-REGISTRY",
    "",
    "[docs/DEPLOY.md](../../docs/DEPLOY.md) goes on from there: annotate, look, take away.",
    "",
    "## Values",
    "",
    ...table(["value", "default", "meaning"], rows),
  ].join("\n")}\n`;
}
