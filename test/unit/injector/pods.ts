/** What the injector's tests share: settings, reviews as the API server sends them, and a check of a pod's structure. */
import assert from "node:assert/strict";
import jsonPatch, { type Operation } from "fast-json-patch";
import { issueText } from "../../../src/config/help.js";
import { type Injection, parseInjection } from "../../../src/config/injector.js";
import type { Container, Pod } from "../../../src/injector/pod.js";
import { type Reviewed, review } from "../../../src/injector/review.js";

export const IMAGE = "registry.example/keyframe:0.1.0";

/** The injector's settings, given as flags. */
export function settings(flags: Record<string, string> = {}): Injection {
  const result = parseInjection({}, { image: IMAGE, ...flags }, true);
  assert.ok(result.ok, result.ok ? "" : result.errors.map(issueText).join("\n"));
  return result.value;
}

/** An AdmissionReview as an API server sends it for the creation of a pod. */
export function admission(object: unknown, namespace = "chat", uid = "705ab4f5-6393-11e8-b7cc-42010a800002") {
  return {
    apiVersion: "admission.k8s.io/v1",
    kind: "AdmissionReview",
    request: {
      uid,
      kind: { group: "", version: "v1", kind: "Pod" },
      resource: { group: "", version: "v1", resource: "pods" },
      name: "",
      namespace,
      operation: "CREATE",
      userInfo: { username: "system:serviceaccount:kube-system:replicaset-controller" },
      object,
      oldObject: null,
      dryRun: false,
    },
  };
}

export interface Answered extends Reviewed {
  readonly patch: Operation[];
  readonly warnings: string[];
  readonly patched: Pod;
}

/** Reviews a pod and does what the API server does with the answer. */
export function answered(pod: unknown, injection: Injection, namespace?: string): Answered {
  const reviewed = review(admission(pod, namespace), injection);
  const { response } = reviewed.answer as {
    response: { uid: string; allowed: boolean; patch?: string; patchType?: string; warnings?: string[] };
  };
  assert.equal(response.allowed, true);
  assert.equal(response.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
  assert.equal(response.patchType, response.patch === undefined ? undefined : "JSONPatch");
  const patch = response.patch === undefined ? [] : JSON.parse(Buffer.from(response.patch, "base64").toString());
  const patched = jsonPatch.applyPatch(structuredClone(pod), patch as Operation[], true).newDocument as Pod;
  return { ...reviewed, patch, warnings: response.warnings ?? [], patched };
}

/** Rules that the API server has for pods and that a change could break. The real one judges in `npm run e2e:cluster`. */
export function assertValidPod({ metadata, spec }: Pod): void {
  for (const [name, value] of Object.entries(metadata?.annotations ?? {})) {
    assert.match(name, /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);
    assert.equal(typeof value, "string");
  }
  const all: readonly Container[] = [...(spec.initContainers ?? []), ...spec.containers];
  const names = all.map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names, "two containers of one name");
  const volumes = (spec.volumes ?? []).map(({ name }) => name);
  assert.deepEqual([...new Set(volumes)], volumes, "two volumes of one name");
  const ports = new Map<number, string>();
  for (const container of all) {
    for (const { name } of (container.volumeMounts ?? []) as { name: string }[]) {
      assert.ok(volumes.includes(name), `${container.name} mounts ${name}, which is not there`);
    }
    assert.match(container.name, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    for (const { name, value, valueFrom, ...other } of container.env ?? []) {
      assert.match(name, /^[-._a-zA-Z][-._a-zA-Z0-9]*$/);
      assert.deepEqual(other, {});
      assert.ok(valueFrom === undefined || valueFrom === null || !value, `${name} has a value and a reference`);
      if (value !== undefined && value !== null) assert.equal(typeof value, "string");
    }
    for (const port of container.ports ?? []) {
      assert.ok(port.containerPort! > 0 && port.containerPort! < 65_536);
      assert.ok(!ports.has(port.containerPort!), `port ${port.containerPort} is there twice`);
      ports.set(port.containerPort!, container.name);
      if (port.name !== undefined) assert.match(String(port.name), /^[a-z0-9-]{1,15}$/);
    }
    for (const probe of ["startupProbe", "readinessProbe", "livenessProbe"]) {
      if (!spec.containers.includes(container) && container.restartPolicy !== "Always") {
        assert.equal(container[probe], undefined, `an init container that ends has a ${probe}`);
      }
    }
  }
}

/** What Pod Security "restricted" asks of the sidecar and its volume, and that nobody else has that one. */
export function assertRestricted({ spec }: Pod): void {
  const all: readonly Container[] = [...(spec.initContainers ?? []), ...spec.containers];
  const container = all.find(({ name }) => name === "keyframe")!;
  const dir = container.env?.find(({ name }) => name === "KEYFRAME_STATE_DIR")?.value;
  const volume = dir === undefined ? undefined : { name: "keyframe-state", emptyDir: { sizeLimit: "16Mi" } };
  assert.deepEqual(
    spec.volumes?.find(({ name }) => name === "keyframe-state"),
    volume,
  );
  assert.deepEqual(container.volumeMounts, volume && [{ name: volume.name, mountPath: dir }]);
  for (const other of all) {
    const mounts = (other.volumeMounts ?? []) as { name: string }[];
    if (other !== container) assert.ok(!mounts.some(({ name }) => name === "keyframe-state"), other.name);
  }
  const context = container.securityContext as Record<string, unknown>;
  assert.equal(context.allowPrivilegeEscalation, false);
  assert.equal(context.runAsNonRoot, true);
  assert.notEqual(context.runAsUser, 0);
  assert.equal(context.privileged, false);
  assert.deepEqual(context.capabilities, { drop: ["ALL"] });
  assert.deepEqual(context.seccompProfile, { type: "RuntimeDefault" });
  assert.equal(context.readOnlyRootFilesystem, true);
  for (const { hostPort } of container.ports ?? []) assert.equal(hostPort, undefined);
}
