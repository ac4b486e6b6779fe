/** `keyframe inject` on files: every kind that holds pods, what is kept of the text, and what is said. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { run } from "../../../src/cli/run.js";
import { changeManifests } from "../../../src/injector/offline.js";
import { answered, IMAGE, settings } from "./pods.js";

const mode = { inject: settings() };
const folder = mkdtempSync(join(tmpdir(), "keyframe-inject-"));
after(() => rmSync(folder, { recursive: true }));

const indent = (text: string, by: number) => text.replace(/^(?=.)/gm, " ".repeat(by));
const template = `metadata:
  labels: {app: open-webui} # a label
spec:
  # The app.
  containers:
    - name: open-webui # its name
      image: ghcr.io/open-webui/open-webui:0.12.4
      env:
        # Where the frames go.
        - name: WEBSOCKET_REDIS_URL # as it was
          value: "redis://valkey:6379/1" # here
        - name: LANG
          value: 'C.UTF-8'
`;
const workload = (kind: string, name = "open-webui") =>
  `# ${kind} of ours\napiVersion: apps/v1\nkind: ${kind}\nmetadata:\n  name: ${name}\nspec:\n  template:\n${indent(template, 4)}`;
const cronJob = `kind: CronJob\nmetadata:\n  name: nightly\nspec:\n  jobTemplate:\n    spec:\n      template:\n${indent(template, 8)}`;

const at = (value: unknown, ...path: (string | number)[]) =>
  path.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown>)[key], value);

describe("a manifest", () => {
  for (const kind of ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"]) {
    it(`of a ${kind} gets its sidecar into the template`, () => {
      const { output, reports } = changeManifests(workload(kind), mode);
      const { patched } = answered(
        { ...parse(template), metadata: { labels: { "keyframe.dev/inject": "true" } } },
        mode.inject,
      );
      assert.deepEqual(at(parse(output), "spec", "template", "spec"), patched.spec);
      assert.deepEqual(
        reports.map(({ where, outcome }) => [where, outcome]),
        [[`${kind}/open-webui`, "injected"]],
      );
      assert.equal(changeManifests(output, "uninject").output, workload(kind));
    });
  }
  it("of a CronJob does too", () => {
    const { output } = changeManifests(cronJob, mode);
    assert.equal(
      at(parse(output), "spec", "jobTemplate", "spec", "template", "spec", "initContainers", 0, "name"),
      "keyframe",
    );
    assert.equal(changeManifests(output, "uninject").output, cronJob);
  });
  it("keeps its comments, its order and its quotes", () => {
    const { output } = changeManifests(workload("Deployment"), mode);
    for (const kept of [
      "# Deployment of ours",
      "# a label",
      "# The app.",
      "# its name",
      "# Where the frames go.",
      "# as it was",
      "# here",
      "'C.UTF-8'",
    ]) {
      assert.ok(output.includes(kept), `${kept} is gone:\n${output}`);
    }
    assert.match(output, /value: "redis:\/\/127\.0\.0\.1:6380\/1" # here/);
  });
  it("of many documents keeps those that are of no concern as they are, byte for byte", () => {
    const service = "---\n# a service\nkind:   Service\nmetadata: {name: x,   labels: { a: 'b' }}\n";
    const text = `${workload("Deployment")}${service}---\n${workload("StatefulSet", "second")}---\n`;
    const { output, reports } = changeManifests(text, mode);
    assert.ok(output.includes(service));
    assert.deepEqual(
      reports.map(({ where }) => where),
      ["Deployment/open-webui", "StatefulSet/second"],
    );
    assert.equal(parseAllDocuments(output).length, parseAllDocuments(text).length);
    assert.equal(changeManifests(output, "uninject").output, text);
  });
  it("of a List has its members changed", () => {
    const text = `kind: List\nitems:\n  - kind: Service\n  -\n${indent(workload("Deployment"), 4)}`;
    const { output } = changeManifests(text, mode);
    assert.equal(at(parse(output), "items", 1, "spec", "template", "spec", "initContainers", 0, "name"), "keyframe");
    assert.deepEqual(parse(changeManifests(output, "uninject").output), parse(text));
  });
  it("of a version that added no volume keeps one of that name that is its own", () => {
    const { output } = changeManifests(workload("Deployment"), mode);
    const older = output.replace(',"volumes":["keyframe-state"]', "").replace(',["volumes","absent"]', "");
    assert.notEqual(older, output);
    const back = parse(changeManifests(older, "uninject").output);
    const volumes = at(back, "spec", "template", "spec", "volumes");
    assert.deepEqual(volumes, [{ name: "keyframe-state", emptyDir: { sizeLimit: "16Mi" } }]);
    const broken = output.replace('"volumes":["keyframe-state"]', '"volumes":"keyframe-state"');
    assert.equal(changeManifests(broken, "uninject").reports[0]?.outcome, "damaged");
  });
  it("in JSON stays JSON", () => {
    const text = JSON.stringify(parse(workload("Deployment")));
    const { output } = changeManifests(text, mode);
    assert.equal(at(JSON.parse(output), "spec", "template", "spec", "initContainers", 0, "name"), "keyframe");
    assert.deepEqual(JSON.parse(changeManifests(output, "uninject").output), JSON.parse(text));
  });
  it("whose lists are not indented stays so", () => {
    const flat =
      "kind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: a\n    env:\n    - name: REDIS_URL\n      value: redis://x\n";
    const { output } = changeManifests(flat, mode);
    assert.match(output, /\n {2}containers:\n {2}- name: a\n/);
    assert.equal(changeManifests(output, "uninject").output, flat);
  });
  it("with aliases says the right thing everywhere", () => {
    const text =
      "kind: Pod\nspec:\n  containers:\n    - name: open-webui\n      image: open-webui\n      env: &env\n        - name: REDIS_URL\n          value: redis://x\n    - name: other\n      image: other\n      env: *env\n";
    const { output } = changeManifests(text, mode);
    assert.equal(at(parse(output), "spec", "containers", 0, "env", 0, "value"), "redis://127.0.0.1:6380");
    assert.equal(at(parse(output), "spec", "containers", 1, "env", 0, "value"), "redis://x");
    assert.deepEqual(parse(changeManifests(output, "uninject").output), parse(text));
  });
  it("holds no word that YAML 1.1, which kubectl reads, takes for a boolean", () => {
    const text = workload("Deployment").replace("labels:", 'annotations: {keyframe.dev/frames: "off"}\n      labels:');
    const { output } = changeManifests(text, mode);
    assert.match(output, /name: KEYFRAME_FRAMES\n +value: "off"/);
  });
  it("that asks for no sidecar, or has its own default upstream in the settings, is not taken for an app", () => {
    const database =
      "kind: StatefulSet\nmetadata:\n  name: valkey\nspec:\n  template:\n    spec:\n      containers:\n        - name: valkey\n";
    const { output, reports } = changeManifests(database, { inject: settings({ upstream: "redis://valkey" }) });
    assert.equal(output, database);
    assert.deepEqual(
      reports.map(({ outcome, failed }) => [outcome, failed]),
      [["no_redis", false]],
    );
  });
  it("that is damaged, or whose sidecar's notes are, stays as it is, and that is a failure", () => {
    for (const text of ["a: b: c\n", "kind: Pod\nspec: *none\n", "kind: Pod\nspec: {}\n"]) {
      const { output, reports } = changeManifests(text, mode);
      assert.equal(output, text);
      assert.deepEqual(
        reports.map(({ failed }) => failed),
        [true],
      );
    }
    const { output } = changeManifests(workload("Deployment"), mode);
    const damaged = output.replace('{"v":1', '{"v":2');
    const undone = changeManifests(damaged, "uninject");
    assert.equal(undone.output, damaged);
    assert.equal(undone.reports[0]?.outcome, "damaged");
  });
});

describe("keyframe inject", () => {
  async function cli(...args: string[]) {
    let [out, err] = ["", ""];
    const io = {
      env: { KEYFRAME_INJECTOR_LISTEN: "not looked at" },
      stdout: (text: string) => {
        out += text;
      },
      stderr: (text: string) => {
        err += text;
      },
    };
    return { code: await run(["inject", ...args], io), out, err };
  }
  const file = join(folder, "open-webui.yaml");
  writeFileSync(file, workload("Deployment"));

  it("prints the manifests, and what became of them on stderr", async () => {
    const { code, out, err } = await cli("-f", file, "--image", IMAGE);
    assert.equal(code, 0);
    assert.equal(out, changeManifests(readFileSync(file, "utf8"), mode).output);
    assert.equal(err, "Deployment/open-webui: injected: A sidecar was added and the app pointed at it.\n");
  });
  it("takes them out without being told of an image", async () => {
    const injected = join(folder, "injected.yaml");
    writeFileSync(injected, (await cli(`-f=${file}`, `--image=${IMAGE}`)).out);
    const { code, out } = await cli("--uninject", "-f", injected);
    assert.deepEqual({ code, out }, { code: 0, out: workload("Deployment") });
  });
  it("ends with 1 where a pod that asks gets none, and prints all the same", async () => {
    const asks = join(folder, "asks.yaml");
    const text = workload("Deployment").replace(
      "labels:",
      'annotations: {keyframe.dev/inject: "maybe"}\n      labels:',
    );
    writeFileSync(asks, text);
    const { code, out, err } = await cli("-f", asks, "--image", IMAGE);
    assert.deepEqual({ code, out }, { code: 1, out: text });
    assert.match(err, /bad_annotation/);
  });
  it("says what it needs, and all of it at once", async () => {
    const { code, err } = await cli("--cpu=fast");
    assert.equal(code, 2);
    for (const words of [/KEYFRAME_INJECTOR_IMAGE is not set/, /-f is not given/, /--cpu="fast" is not a quantity/])
      assert.match(err, words);
    assert.match((await cli("-f", join(folder, "none"), "--image", "x")).err, /cannot be read \(ENOENT\)/);
  });
  it("has a help of its own", async () => {
    const { code, out } = await cli("--help");
    assert.equal(code, 0);
    assert.match(out, /^Usage: keyframe inject -f FILE\|- \[--uninject\] \[flags\]/);
    assert.match(out, /KEYFRAME_INJECTOR_NATIVE_SIDECAR/);
    assert.doesNotMatch(out, /KEYFRAME_HOLD/);
  });
});
