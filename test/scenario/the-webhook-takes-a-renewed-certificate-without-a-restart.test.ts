/** Certificate and key change under a running injector, as a mounted Secret does; halves of a change are not used. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { connect } from "node:tls";
import { type Injector, makeCertificates, startInjector } from "../support/injector.js";
import { eventually } from "../support/wait.js";
import { admission } from "../unit/injector/pods.js";

let injector: Injector;
let other: string;
before(async () => {
  injector = await startInjector();
  other = mkdtempSync(join(tmpdir(), "keyframe-certs-"));
  makeCertificates(other);
});
after(async () => {
  await injector.stop();
  rmSync(other, { recursive: true, force: true });
});

const body = JSON.stringify(admission({ spec: { containers: [] } }));
const loads = (outcome: string) => injector.metric("keyframe_injector_certificate_loads_total", { outcome });

/** The serial number of the certificate that a new connection is shown. */
function shown(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: injector.port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()!.serialNumber);
      socket.end();
    });
    socket.on("error", reject);
  });
}

const serial = (dir: string) => new X509Certificate(readFileSync(join(dir, "tls.crt"))).serialNumber;

test("a key alone, and a file that is none, change nothing", async () => {
  const first = serial(injector.certs);
  copyFileSync(join(other, "tls.key"), join(injector.certs, "tls.key"));
  await injector.logged("certificate-refused");
  assert.equal(await shown(), first);
  const before = await loads("refused");
  writeFileSync(join(injector.certs, "tls.crt"), "");
  await eventually("it is refused", async () => (await loads("refused")) > before);
  assert.equal(await shown(), first);
  assert.equal(await loads("used"), 1);
});

test("once both are there they are used, and connections that are open stay", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
  await injector.post(body, { agent });
  copyFileSync(join(other, "tls.crt"), join(injector.certs, "tls.crt"));
  copyFileSync(join(other, "ca.crt"), join(injector.certs, "ca.crt"));
  await injector.logged("certificate-renewed");
  assert.equal(await shown(), serial(other));
  assert.equal((await injector.post(body)).status, 200);
  assert.equal((await injector.post(body, { agent })).status, 200);
  agent.destroy();
  const expiry = await injector.metric("keyframe_injector_certificate_expiry_seconds");
  assert.equal(expiry, Date.parse(new X509Certificate(readFileSync(join(other, "tls.crt"))).validTo) / 1000);
});

test("a renewal by the certificates' command is taken as well, and nothing is done where nothing is to be done", async () => {
  const before = serial(injector.certs);
  makeCertificates(injector.certs);
  assert.equal(serial(injector.certs), before);
  makeCertificates(injector.certs, "--renew-before", "8760h");
  assert.notEqual(serial(injector.certs), before);
  await eventually("it is shown", async () => (await shown()) === serial(injector.certs));
  assert.equal((await injector.post(body)).status, 200);
});
