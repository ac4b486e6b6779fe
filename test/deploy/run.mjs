/**
 * `npm run test:deploy`: what is in deploy/, without a cluster. The chart with a matrix of values, the kustomize trees and
 * the reference deployment are rendered and validated strictly; values that make no sense are refused; the alert rules
 * have their cases; what is generated is up to date; the Dockerfile is linted. Every check is a node:test case.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { hadolint, promtool } from "../setup/deploy.mjs";
import { root } from "../setup/lib.mjs";
import { chart, conform, helm, kustomize, pipe, template } from "./manifests.mjs";
import { refused, rendered } from "./values.mjs";

/** Every pod that is rendered, with the object that makes it. */
function podsOf(objects) {
  return objects.flatMap((object) => {
    const pod = object.spec?.jobTemplate?.spec?.template ?? object.spec?.template;
    return pod?.spec?.containers ? [{ object, pod }] : [];
  });
}

/** What Pod Security "restricted" asks; a real API server judges the same in npm run e2e:cluster. */
function assertRestricted({ object, pod }) {
  const name = `${object.kind} ${object.metadata.name}`;
  assert.equal(pod.spec.securityContext.runAsNonRoot, true, name);
  assert.equal(pod.spec.securityContext.seccompProfile.type, "RuntimeDefault", name);
  for (const { securityContext } of pod.spec.containers) {
    assert.equal(securityContext.allowPrivilegeEscalation, false, name);
    assert.equal(securityContext.readOnlyRootFilesystem, true, name);
    assert.deepEqual(securityContext.capabilities, { drop: ["ALL"] }, name);
  }
}

test("helm lint finds nothing wrong", async () => {
  const { code, stdout, stderr } = await helm(["lint", "--strict", chart]);
  assert.equal(code, 0, stdout + stderr);
  assert.doesNotMatch(stdout, /\[(WARNING|ERROR)\]/);
});

test("the strict validation sees a field that does not exist", async () => {
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "a" },
    spec: { containers: [{ name: "a", imagee: "b" }] },
  };
  const { code, output } = await conform([pod]);
  assert.notEqual(code, 0);
  assert.match(output, /imagee/);
});

for (const [name, { values, options, expect }] of Object.entries(rendered)) {
  test(`the chart renders with ${name}`, async () => {
    const result = await template(values, options);
    assert.equal(result.code, 0, result.stderr);
    const { code, output, valid } = await conform(result.text);
    assert.equal(code, 0, output);
    assert.ok(valid >= 5, `only ${valid} objects were checked:\n${output}`);
    const pods = podsOf(result.objects);
    assert.ok(pods.length >= 1);
    for (const one of pods) assertRestricted(one);
    const names = result.objects.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
    assert.equal(new Set(names).size, names.length, "two objects of one name");
    for (const { metadata } of result.objects) assert.ok(metadata.name.length <= 63, metadata.name);
    expect(result.objects, result.text);
  });
}

for (const [name, { values, says }] of Object.entries(refused)) {
  test(`the chart refuses ${name}`, async () => {
    const { code, stderr } = await template(values);
    assert.notEqual(code, 0);
    assert.match(stderr, says);
  });
}

for (const folder of ["deploy/kustomize/base", "deploy/kustomize/overlays/example", "deploy/examples/open-webui-ha"]) {
  test(`kustomize builds ${folder}`, async () => {
    const result = await kustomize(folder);
    assert.equal(result.code, 0, result.stderr);
    const { code, output, valid } = await conform(result.text);
    assert.equal(code, 0, output);
    assert.equal(valid, result.objects.length, output);
  });
}

test("the overlay's image is the injector's, the jobs' and the sidecars'", async () => {
  const { objects } = await kustomize("deploy/kustomize/overlays/example");
  const images = podsOf(objects).map(({ pod }) => pod.spec.containers[0].image);
  const { pod } = podsOf(objects).find(({ object }) => object.kind === "Deployment");
  images.push(pod.spec.containers[0].env.find(({ name }) => name === "KEYFRAME_INJECTOR_IMAGE").value);
  assert.equal(new Set(images).size, 1, images.join(", "));
  assert.doesNotMatch(images[0], /^keyframe:/);
});

test("every choice of the reference deployment says what it prevents", () => {
  const folder = join(root, "deploy/examples/open-webui-ha");
  for (const file of [
    "open-webui",
    "settings",
    "secrets",
    "storage",
    "valkey",
    "sentinel",
    "network",
    "tika",
    "migrate",
    "ingress-nginx",
    "ingress-alb",
  ]) {
    assert.match(readFileSync(join(folder, `${file}.yaml`), "utf8"), /# .*Prevents: /s, file);
  }
});

test("the other ingress of the reference deployment is valid too", async () => {
  const { code, output } = await conform(
    readFileSync(join(root, "deploy/examples/open-webui-ha/ingress-alb.yaml"), "utf8"),
  );
  assert.equal(code, 0, output);
});

test("the alert rules are valid, and fire and are silent as their cases say", async () => {
  const folder = join(root, "deploy/alerts");
  const checked = await pipe(promtool(), ["check", "rules", join(folder, "keyframe.yaml")]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  const told = await pipe(promtool(), ["test", "rules", join(folder, "keyframe.test.yaml")]);
  assert.equal(told.code, 0, told.stdout + told.stderr);
});

test("the chart's PrometheusRule holds the same rules", async () => {
  const { objects } = await template({ metrics: { prometheusRule: { enabled: true } } });
  const { spec } = objects.find(({ kind }) => kind === "PrometheusRule");
  const place = mkdtempSync(join(tmpdir(), "keyframe-rules-"));
  try {
    writeFileSync(join(place, "rules.yaml"), stringify(spec));
    const { code, stdout, stderr } = await pipe(promtool(), ["check", "rules", join(place, "rules.yaml")]);
    assert.equal(code, 0, stdout + stderr);
    const own = readFileSync(join(root, "deploy/alerts/keyframe.yaml"), "utf8");
    assert.equal((own.match(/- alert:/g) ?? []).length, Number(/(\d+) rules found/.exec(stdout + stderr)[1]));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

test("what is generated is up to date", () => {
  const args = [join(root, "deploy/generate.mjs"), "--check"];
  execFileSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
});

test("hadolint has nothing to say", async () => {
  const { code, stdout } = await pipe(hadolint, [join(root, "Dockerfile")]);
  assert.equal(code, 0, stdout);
});
