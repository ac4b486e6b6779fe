/** The table as text: the settings part of `--help`, error messages, and the two forms of `keyframe config`. */
import type { Setting, Settings } from "./setting.js";
import { settings as sidecarSettings } from "./table.js";
import type { ConfigIssue, EffectiveSetting } from "./types.js";

const WIDTH = 100;
const INDENT = "      ";

/** Breaks a sentence into indented lines of at most 100 characters. */
function wrapped(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && INDENT.length + line.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines.map((line) => INDENT + line).join("\n");
}

function entry(setting: Setting): string {
  const { kind } = setting;
  const value = kind.metavar.includes("|") ? kind.metavar : `<${kind.metavar}>`;
  const names = [...(setting.flag === undefined ? [] : [`${setting.flag} ${value}`]), setting.env].join(", ");
  const facts = [
    setting.default === undefined ? `For example ${setting.example}.` : `Default ${setting.default}.`,
    ...(kind.bounds === undefined ? [] : [`From ${kind.bounds}.`]),
  ];
  return `  ${names}\n${wrapped([setting.doc, ...facts].join(" "))}`;
}

/** Every setting, by group, as `--help` prints it. */
export function settingsHelp(settings: Settings = sidecarSettings): string {
  const sections = [...new Set(settings.map(({ group }) => group))].map((group) => {
    const entries = settings.filter((setting) => setting.group === group).map(entry);
    return `${group[0]!.toUpperCase()}${group.slice(1)}:\n${entries.join("\n")}`;
  });
  return [
    "Every setting is a variable; all but the passwords are flags too. A flag wins over a variable. An empty\n" +
      "variable counts as not set. Durations need a unit (ms, s, m, h), and so do sizes (B, KiB, MiB, GiB).",
    ...sections,
  ].join("\n\n");
}

/** One error as one line: what, its value, what is wrong, what to do. */
export function issueText({ setting, value, problem, remedy }: ConfigIssue): string {
  return `${setting}${value === undefined ? "" : `=${value}`} ${problem}. ${remedy}`;
}

/** The effective configuration as aligned columns, one line a setting, each with a line break. */
export function effectiveText(rows: readonly EffectiveSetting[]): string {
  const cells = rows.map(({ env, value, source }) => [env, source, value ?? "-"] as const);
  const widest = (column: 0 | 1) => Math.max(...cells.map((cell) => cell[column].length));
  const [first, second] = [widest(0), widest(1)];
  return cells.map(([env, source, value]) => `${env.padEnd(first)}  ${source.padEnd(second)}  ${value}\n`).join("");
}

/** The effective configuration as one JSON object: `settings` by variable, and `warnings`. */
export function effectiveJson(rows: readonly EffectiveSetting[], warnings: readonly string[]): string {
  const byVariable = rows.map(({ env, value, source }) => [env, { value: value ?? null, source }]);
  return `${JSON.stringify({ settings: Object.fromEntries(byVariable), warnings }, null, 2)}\n`;
}
