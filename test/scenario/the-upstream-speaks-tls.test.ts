/** rediss://: the server's certificate is checked against the given authority and name; a wrong one is refused and said. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generate } from "selfsigned";
import { freePort } from "../support/ports.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";

let dir: string;
let server: Server;
let tlsPort: number;
const ca = () => join(dir, "server.pem");

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "keyframe-tls-"));
  for (const name of ["server", "stranger"]) {
    const made = await generate([{ name: "commonName", value: "valkey.test" }], {
      keyType: "ec",
      extensions: [
        { name: "basicConstraints", cA: true },
        { name: "subjectAltName", altNames: [{ type: 2, value: "valkey.test" }] },
      ],
    });
    writeFileSync(join(dir, `${name}.pem`), made.cert);
    writeFileSync(join(dir, `${name}.key`), made.private);
  }
  tlsPort = await freePort();
  const args = ["--tls-port", String(tlsPort), "--tls-auth-clients", "no", "--tls-ca-cert-file", ca()];
  args.push("--tls-cert-file", ca(), "--tls-key-file", join(dir, "server.key"));
  server = await startServer({ args });
});

after(async () => {
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const upstream = () => `rediss://127.0.0.1:${tlsPort}/0`;
const name = { KEYFRAME_UPSTREAM_SERVER_NAME: "valkey.test" };

test("commands and frames go over TLS", async () => {
  const sidecar = await startSidecar({ upstream: upstream(), env: { ...name, KEYFRAME_UPSTREAM_CA: ca() } });
  try {
    await sidecar.ready();
    const app = await RespClient.connect({ port: sidecar.port });
    assert.equal(String(await app.text("SET", "k", "v")), "OK");
    assert.equal(String(await app.text("GET", "k")), "v");
    const listener = await RespClient.connect({ port: sidecar.port });
    await listener.text("SUBSCRIBE", "socketio");
    await app.text("PUBLISH", "socketio", "over TLS");
    const heard = await listener.next();
    assert.equal(String((heard as unknown as Buffer[])[2]), "over TLS");
    app.close();
    listener.close();
  } finally {
    await sidecar.stop();
  }
});

for (const [what, env] of [
  ["signed by somebody else", () => ({ ...name, KEYFRAME_UPSTREAM_CA: join(dir, "stranger.pem") })],
  ["of another name", () => ({ KEYFRAME_UPSTREAM_SERVER_NAME: "other.test", KEYFRAME_UPSTREAM_CA: ca() })],
] as const) {
  test(`a certificate ${what} is refused: not ready, and the app is told why`, async () => {
    const sidecar = await startSidecar({ upstream: upstream(), env: { ...env(), KEYFRAME_DIAL_TIMEOUT: "1s" } });
    try {
      const said = await sidecar.logged("upstream-down");
      assert.match(String(said.reason), /certificate|altnames|self-signed/i);
      assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);
      const app = await RespClient.connect({ port: sidecar.port });
      assert.match(String(await app.text("GET", "k")), /keyframe: upstream .* cannot be reached/);
      app.close();
    } finally {
      await sidecar.stop();
    }
  });
}
