/**
 * The webhook's certificates: what is made, when it is renewed, and what an API server trusts at each moment. The cluster
 * is a stand-in of ours: an HTTPS server that holds the two objects and takes the requests of the real client, because no
 * API server runs in unit tests; `npm run e2e:cluster` has a real one.
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import jsonPatch, { type Operation } from "fast-json-patch";
import { run } from "../../../src/cli/run.js";
import {
  bundleOf,
  certificatesOf,
  flawOf,
  type Issued,
  issue,
  serviceNames,
} from "../../../src/injector/certs/issue.js";

const DAY = 24 * 3600 * 1000;
const NAMES = serviceNames("keyframe-injector", "keyframe");
const folder = mkdtempSync(join(tmpdir(), "keyframe-certs-"));
after(() => rmSync(folder, { recursive: true }));

async function cli(...args: string[]) {
  let [out, err] = ["", ""];
  const io = {
    env: {},
    stdout: (text: string) => {
      out += text;
    },
    stderr: (text: string) => {
      err += text;
    },
  };
  return { code: await run(["injector-certs", ...args], io), out, err };
}

describe("a certificate", () => {
  let made: Issued;
  const now = Date.now();
  before(async () => {
    made = await issue([...NAMES, "127.0.0.1"], now);
  });
  it("is one for a server, signed by an authority that signs no other authorities", () => {
    const [ca, cert] = [new X509Certificate(made.ca), new X509Certificate(made.cert)];
    assert.ok(cert.verify(ca.publicKey) && cert.checkIssued(ca));
    assert.deepEqual([ca.ca, cert.ca], [true, false]);
    assert.deepEqual(cert.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
    assert.equal(cert.checkHost("keyframe-injector.keyframe.svc"), "keyframe-injector.keyframe.svc");
    assert.ok(!made.key.includes(made.cert));
  });
  it("serves on until it is to be renewed, and for its names only", () => {
    assert.equal(flawOf(made, NAMES, 30 * DAY, now), undefined);
    assert.equal(flawOf(made, NAMES, 30 * DAY, now + 334 * DAY), undefined);
    assert.equal(flawOf(made, NAMES, 30 * DAY, now + 336 * DAY), "expires soon");
    assert.equal(flawOf(made, NAMES, 0, now + 366 * DAY), "has expired");
    assert.equal(flawOf(made, ["elsewhere.svc"], 0, now), "is not for elsewhere.svc");
    assert.equal(flawOf({ ...made, cert: "nonsense" }, NAMES, 0, now), "cannot be read");
    assert.equal(flawOf({ ...made, key: "" }, NAMES, 0, now), "is not complete");
  });
  it("of another authority is no use", async () => {
    assert.equal(
      flawOf({ ...made, ca: (await issue(NAMES, now)).ca }, NAMES, 0, now),
      "is not signed by its authority",
    );
  });
  it("is trusted together with the one before, and no older ones", async () => {
    const older = [await issue(NAMES, now), await issue(NAMES, now)];
    const bundle = bundleOf(made.ca, older.map(({ ca }) => ca).join(""), now);
    assert.deepEqual(
      certificatesOf(bundle),
      [made, older[0]!].flatMap(({ ca }) => certificatesOf(ca)),
    );
    assert.deepEqual(certificatesOf(bundleOf(made.ca, older[0]!.ca, now + 400 * DAY)), certificatesOf(made.ca));
    assert.deepEqual(certificatesOf(bundleOf(made.ca, "\n", now)), certificatesOf(made.ca));
  });
});

interface Held {
  secret: { metadata: Record<string, string>; data: Record<string, string>; type?: string } | undefined;
  configuration: { webhooks: { name: string; clientConfig: { caBundle?: string } }[] } | undefined;
  requests: string[];
  /** Refuse what would write the Secret, once. */
  failing: boolean;
}

describe("keyframe injector-certs in a cluster", () => {
  const held: Held = { secret: undefined, configuration: undefined, requests: [], failing: false };
  let api: Server;
  const kubeconfig = join(folder, "kubeconfig");
  const args = ["--namespace=keyframe", "--service=keyframe-injector", "--secret=injector-tls"];
  const all = [...args, "--webhook-configuration=keyframe"];
  const was = process.env.KUBECONFIG;

  before(async () => {
    const own = await issue(["127.0.0.1"], Date.now());
    api = createServer({ cert: own.cert, key: own.key }, (request, response) => {
      let text = "";
      request.on("data", (chunk) => {
        text += chunk;
      });
      request.on("end", () => {
        held.requests.push(`${request.method} ${request.url} ${request.headers["content-type"] ?? ""}`.trim());
        const [status, body] = answer(request.method!, request.url!, text);
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
    const server = `https://127.0.0.1:${(api.address() as AddressInfo).port}`;
    const config = {
      clusters: [
        { name: "c", cluster: { server, "certificate-authority-data": Buffer.from(own.ca).toString("base64") } },
      ],
      users: [{ name: "u", user: {} }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    process.env.KUBECONFIG = kubeconfig;
  });
  after(() => {
    if (was === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = was;
    api.closeAllConnections();
    api.close();
  });
  beforeEach(() => {
    Object.assign(held, { secret: undefined, configuration: undefined, requests: [], failing: false });
  });

  function answer(method: string, url: string, text: string): [number, object] {
    const secrets = "/api/v1/namespaces/keyframe/secrets";
    const missing: [number, object] = [404, { kind: "Status", message: "not found" }];
    if (url.startsWith(secrets)) {
      if (method === "GET") return held.secret ? [200, held.secret] : missing;
      if (held.failing) {
        held.failing = false;
        return [409, { kind: "Status", message: "the object has been modified" }];
      }
      const body = JSON.parse(text) as NonNullable<Held["secret"]>;
      if (method === "PUT") assert.equal(body.metadata.resourceVersion, held.secret?.metadata.resourceVersion);
      else assert.equal(url, secrets);
      const resourceVersion = String(Number(held.secret?.metadata.resourceVersion ?? 0) + 1);
      held.secret = { ...body, metadata: { ...body.metadata, resourceVersion } };
      return [200, held.secret];
    }
    assert.equal(url, "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/keyframe");
    if (held.configuration === undefined) return missing;
    if (method === "PATCH") jsonPatch.applyPatch(held.configuration, JSON.parse(text) as Operation[], true);
    return [200, held.configuration];
  }

  const file = (name: string) => Buffer.from(held.secret!.data[name]!, "base64").toString();
  const trusted = () =>
    certificatesOf(Buffer.from(held.configuration!.webhooks[0]!.clientConfig.caBundle ?? "", "base64").toString());
  /** Whether the API server would take the certificate that the Secret holds. */
  const trusts = () =>
    trusted().some((pem) => new X509Certificate(file("tls.crt")).verify(new X509Certificate(pem).publicKey));
  const configured = () => {
    held.configuration = {
      webhooks: [
        { name: "pods.keyframe.dev", clientConfig: {} },
        { name: "second", clientConfig: { caBundle: "Cg==" } },
      ],
    };
  };

  it("makes the Secret before there is a configuration, then sets the caBundle, then has nothing to do", async () => {
    const first = await cli(...args);
    assert.deepEqual({ code: first.code, err: first.err }, { code: 0, err: "" });
    assert.equal(held.secret!.type, "kubernetes.io/tls");
    assert.deepEqual(Object.keys(held.secret!.data).sort(), ["ca.crt", "tls.crt", "tls.key"]);
    configured();
    assert.deepEqual(await cli(...all), { code: 0, out: "The caBundle of keyframe was set.\n", err: "" });
    assert.ok(trusts());
    assert.deepEqual(
      held.configuration!.webhooks[1]!.clientConfig.caBundle,
      held.configuration!.webhooks[0]!.clientConfig.caBundle,
    );
    const before = structuredClone(held);
    assert.deepEqual(await cli(...all), { code: 0, out: "Nothing to do.\n", err: "" });
    assert.deepEqual([held.secret, held.configuration], [before.secret, before.configuration]);
  });

  it("renews so that the API server trusts the old one and the new one at every step", async () => {
    configured();
    await cli(...all);
    const old = file("tls.crt");
    held.failing = true;
    const failed = await cli(...all, "--renew-before=8760h");
    assert.deepEqual(failed, {
      code: 1,
      out: "",
      err: "keyframe: the API answered 409: the object has been modified\n",
    });
    assert.equal(file("tls.crt"), old);
    assert.ok(trusts(), "the old certificate is trusted although the new authority is first");
    const again = await cli(...all, "--renew-before=8760h");
    assert.match(
      again.out,
      /The caBundle of keyframe was set\.\nThe certificate of Secret injector-tls expires soon: a new one was written\.\n/,
    );
    assert.notEqual(file("tls.crt"), old);
    assert.ok(trusts());
    assert.ok(trusted().some((pem) => new X509Certificate(old).verify(new X509Certificate(pem).publicKey)));
  });

  it("leaves what works alone where it cannot tell the API server", async () => {
    configured();
    await cli(...all);
    assert.equal((await cli(...args, "--renew-before=8760h")).out, "Nothing to do.\n");
  });

  it("says what is missing, refused or not given", async () => {
    assert.match((await cli(...all)).err, /^keyframe: there is no MutatingWebhookConfiguration keyframe/);
    assert.equal(held.secret, undefined);
    const { code, err } = await cli("--renew-before=soon");
    assert.equal(code, 2);
    for (const name of ["NAMESPACE", "SERVICE", "SECRET"])
      assert.match(err, new RegExp(`KEYFRAME_INJECTOR_CERTS_${name} is not set`));
  });
});

describe("keyframe injector-certs --dir", () => {
  const dir = join(folder, "files");
  it("writes three files for nobody else to read, and leaves good ones alone", async () => {
    assert.equal((await cli("--dir", dir)).code, 0);
    for (const name of ["ca.crt", "tls.crt", "tls.key"]) assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600);
    const cert = readFileSync(join(dir, "tls.crt"), "utf8");
    assert.equal((await cli("--dir", dir)).out, "Nothing to do.\n");
    assert.equal(readFileSync(join(dir, "tls.crt"), "utf8"), cert);
    assert.equal((await cli("--dir", dir, "--service=injector", "--namespace=chat")).code, 0);
    const wider = new X509Certificate(readFileSync(join(dir, "tls.crt")));
    for (const name of ["localhost", "injector.chat.svc"]) assert.equal(wider.checkHost(name), name);
    assert.equal(wider.checkIP("127.0.0.1"), "127.0.0.1");
  });
});
