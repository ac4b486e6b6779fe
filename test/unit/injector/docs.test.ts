/** docs/INJECTOR.md has every annotation, reason and note, from the tables in the code. REFRESH_GOLDEN=1 writes them anew. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { it } from "node:test";
import { type AnnotationKey, table as annotations, DOMAIN } from "../../../src/injector/annotations.js";
import { injected, notes, refused, rejected, skipped } from "../../../src/injector/reasons.js";
import { inRoot } from "../../support/root.js";

const file = inRoot("docs", "INJECTOR.md");

type Line = readonly string[];

/** A table with its columns in line, as the formatter wants it. */
function aligned(head: Line, lines: readonly Line[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...lines].map((line) => line[i]!.length)));
  const row = (line: Line) => `| ${line.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  return [row(head), row(widths.map((width) => "-".repeat(width))), ...lines.map(row)].join("\n");
}

function annotationLine(key: AnnotationKey): Line {
  const { kind, example, doc } = annotations[key];
  const words = kind.metavar.split("|").map((word) => `\`${word}\``);
  const accepted = words.length > 1 ? words.join(" or ") : kind.metavar;
  return [`\`${DOMAIN}${key}\``, `${accepted}, for example \`${example}\``, doc];
}

const lines = (kind: string, texts: Readonly<Record<string, string>>): Line[] =>
  Object.entries(texts).map(([code, text]) => [kind, `\`${code}\``, text]);

const tables = {
  annotations: aligned(
    ["annotation", "values", "meaning"],
    (Object.keys(annotations) as AnnotationKey[]).map(annotationLine),
  ),
  reasons: aligned(
    ["", "code", "meaning"],
    [
      ...lines("changed", injected),
      ...lines("left alone", skipped),
      ...lines("refused", refused),
      ...lines("not understood", rejected),
      ...lines("note", notes),
    ],
  ),
};

for (const [name, table] of Object.entries(tables)) {
  it(`docs/INJECTOR.md has the ${name}`, () => {
    const text = readFileSync(file, "utf8");
    const [from, to] = [text.indexOf(`<!-- ${name} -->`), text.indexOf(`<!-- /${name} -->`)];
    assert.ok(from >= 0 && to > from, "the marks are not there");
    const expected = `${text.slice(0, from)}<!-- ${name} -->\n\n${table}\n\n${text.slice(to)}`;
    if (process.env.REFRESH_GOLDEN) writeFileSync(file, expected);
    assert.equal(readFileSync(file, "utf8"), expected);
  });
}
