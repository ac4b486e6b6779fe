/** The dashboard and the alerts ask only for metrics, labels and label values that exist, and leave no metric out. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { injectorCatalog } from "../../../src/injector/metrics.js";
import { catalog, type MetricSpec } from "../../../src/metrics/catalog.js";
import { inRoot } from "../../support/root.js";

const known: Readonly<Record<string, MetricSpec>> = { ...injectorCatalog, ...catalog };
/** What Prometheus adds when it scrapes a pod, and what prom-client adds to a histogram. */
const target = ["namespace", "pod", "le"];

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

const dashboard = JSON.parse(readFileSync(inRoot("deploy", "dashboards", "keyframe.json"), "utf8")) as {
  panels: { title: string; targets?: { expr: string }[] }[];
};
const rules = (
  parse(readFileSync(inRoot("deploy", "alerts", "keyframe.yaml"), "utf8")) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

const queries = [
  ...dashboard.panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => ({ where: title, expr }))),
  ...rules.map(({ alert, expr }) => ({ where: alert, expr })),
];

/** The metrics of a query: name, and its matchers as [label, operator, value]. */
function selectors(expr: string) {
  return [...expr.matchAll(/\b(keyframe_\w+)(?:\{([^}]*)\})?/g)].map(([, name, matchers]) => ({
    name: name!.replace(/_(bucket|sum|count)$/, (end) =>
      known[name!.slice(0, -end.length)]?.type === "histogram" ? "" : end,
    ),
    matchers: [...(matchers ?? "").matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label, , value]) => ({
      label: label!,
      value: value!,
    })),
  }));
}

describe("what is looked at", () => {
  for (const { where, expr } of queries) {
    test(`${where}: ${expr.slice(0, 60).replaceAll("\n", " ")}`, () => {
      const found = selectors(expr);
      assert.ok(found.length > 0, "no metric of ours");
      for (const { name, matchers } of found) {
        const spec = known[name];
        assert.ok(spec, `there is no metric ${name}`);
        for (const { label, value } of matchers) {
          if (target.includes(label)) continue;
          const values = spec.labels[label];
          assert.ok(values, `${name} has no label ${label}`);
          for (const one of value.split("|")) assert.ok(values.includes(one), `${name}{${label}} is never ${one}`);
        }
      }
    });
  }
});

test("no metric of the sidecar is missing from the dashboard", () => {
  const shown = new Set(
    dashboard.panels.flatMap(({ targets }) =>
      (targets ?? []).flatMap(({ expr }) => selectors(expr).map(({ name }) => name)),
    ),
  );
  assert.deepEqual(
    Object.keys(catalog).filter((name) => !shown.has(name)),
    [],
  );
});

test("what an alert says about labels are labels that its query keeps", () => {
  for (const { alert, expr, annotations } of rules) {
    const kept = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/);
    const used = [
      ...Object.values(annotations)
        .join(" ")
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, label]) => label!);
    if (kept !== undefined) for (const label of used) assert.ok(kept.includes(label), `${alert}: ${label}`);
  }
});

test("every alert has a case", () => {
  const cases = readFileSync(inRoot("deploy", "alerts", "keyframe.test.yaml"), "utf8");
  for (const { alert } of rules) assert.match(cases, new RegExp(`alertname: ${alert}\\b`));
});
