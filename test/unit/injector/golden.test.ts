/**
 * Pods before and after: `cases/` holds what comes in, `golden/` the verdict and what comes out. REFRESH_GOLDEN=1 writes
 * the latter; its difference is to be read like code.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { parseAllDocuments, stringify } from "yaml";
import { uninject } from "../../../src/injector/mutate.js";
import { changeManifests } from "../../../src/injector/offline.js";
import type { Pod } from "../../../src/injector/pod.js";
import { refused, skipped } from "../../../src/injector/reasons.js";
import { inRoot } from "../../support/root.js";
import { answered, assertRestricted, assertValidPod, settings } from "./pods.js";

interface Case {
  case: string;
  settings?: Record<string, string>;
  namespace?: string;
}

const folder = inRoot("test/unit/injector");
const names = readdirSync(`${folder}/cases`).map((file) => file.replace(/\.yaml$/, ""));

function load(name: string) {
  const text = readFileSync(`${folder}/cases/${name}.yaml`, "utf8");
  const [head, pod] = parseAllDocuments(text).map((document) => document.toJS()) as [Case, Pod];
  return { head, pod, text: text.slice(text.indexOf("---\n") + 4) };
}

describe("the injector's golden cases", () => {
  it("are few enough to be read", () => assert.ok(names.length <= 25, `${names.length}`));

  for (const name of names) {
    const { head, pod, text } = load(name);
    const injection = settings(head.settings);
    it(`${name}: ${head.case}`, () => {
      const { reason, detail, notes, warnings, patched, patch } = answered(pod, injection, head.namespace);
      const status = { reason, ...(detail && { detail }), ...(notes.length > 0 && { notes }), warnings };
      const golden = `${folder}/golden/${name}.yaml`;
      const after = `${stringify(status, { lineWidth: 0 })}---\n${stringify(patched, { lineWidth: 0, aliasDuplicateObjects: false, compat: "yaml-1.1" })}`;
      if (process.env.REFRESH_GOLDEN) writeFileSync(golden, after);
      assert.ok(existsSync(golden), `${golden} is not there: REFRESH_GOLDEN=1 writes it`);
      assert.equal(after, readFileSync(golden, "utf8"));

      assertValidPod(patched);
      for (const warning of warnings) assert.ok(warning.length <= 256, warning);
      assert.doesNotMatch(JSON.stringify([warnings, detail, notes]), /secret@|:secret/);
      if (reason in skipped) assert.deepEqual(patch, []);
      if (reason in refused)
        assert.deepEqual(
          patch.map((one) => one.path),
          ["/metadata/annotations/keyframe.dev~1status"],
        );
    });

    it(`${name}: a second pass changes nothing, also after another webhook`, () => {
      const { patched, reason } = answered(pod, injection, head.namespace);
      assert.deepEqual(answered(patched, injection, head.namespace).patch, []);
      if (reason !== "injected") return;
      const changed = structuredClone(patched) as { spec: { containers: object[] } };
      changed.spec.containers.unshift({
        name: "mesh",
        image: "mesh",
        env: [{ name: "REDIS_URL", value: "redis://x" }],
      });
      assert.deepEqual(answered(changed, injection, head.namespace).patch, []);
    });

    it(`${name}: can be undone`, () => {
      const { patched, reason } = answered(pod, injection, head.namespace);
      const undone = uninject(patched);
      if (reason !== "injected") return assert.equal(undone.kind, "none");
      assertRestricted(patched);
      assert.ok(undone.kind === "undone");
      assert.deepEqual(undone.pod, pod);
      // Text, so that the order of fields counts as well.
      assert.equal(JSON.stringify(undone.pod), JSON.stringify(pod));
    });

    it(`${name}: the same offline`, () => {
      const { patched, reason } = answered(pod, injection, head.namespace);
      const manifest = head.namespace
        ? text.replace("metadata:\n", `metadata:\n  namespace: ${head.namespace}\n`)
        : text;
      const { output, reports } = changeManifests(manifest, { inject: injection });
      assert.equal(reports[0]?.outcome, reason);
      if (reason !== "injected") return assert.equal(output, manifest);
      assert.deepEqual(parseAllDocuments(output)[0]!.toJS(), patched);
      assert.equal(changeManifests(output, { inject: injection }).output, output);
      const back = changeManifests(output, "uninject").output;
      assert.deepEqual(parseAllDocuments(back)[0]!.toJS(), pod);
      // Lists in one line may come back with other padding; nothing else of the text changes.
      const bare = (yaml: string) => yaml.replace(/[[\]{}"'] ?/g, "").replace(/ (?=\n)/g, "");
      assert.equal(bare(back), bare(text));
    });
  }
});
