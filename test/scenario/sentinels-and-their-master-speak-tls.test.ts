/** rediss+sentinel://: the sentinels' certificates are checked as the master's is, and by the same settings. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generate } from "selfsigned";
import { freePorts } from "../support/ports.js";
import { RespClient } from "../support/resp-client.js";
import { type Server, startServer } from "../support/server.js";
import { startSidecar } from "../support/sidecar.js";
import { eventually } from "../support/wait.js";

let dir: string;
let master: Server;
let sentinel: Server;
let url: string;

before(async () => {
  dir = mkdtempSync(join(tmpdir(), "keyframe-sentinel-tls-"));
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
  const [masterTls, sentinelTls] = (await freePorts(2)) as [number, number];
  const tls = [
    ["tls-auth-clients", "no"],
    ["tls-ca-cert-file", join(dir, "server.pem")],
    ["tls-cert-file", join(dir, "server.pem")],
    ["tls-key-file", join(dir, "server.key")],
  ];
  master = await startServer({
    password: "hush",
    args: ["--tls-port", String(masterTls), ...tls.flatMap(([name, value]) => [`--${name}`, value!])],
  });
  sentinel = await startServer({
    password: "whisper",
    sentinelConfig: [
      `tls-port ${sentinelTls}`,
      "tls-replication yes",
      ...tls.map((pair) => pair.join(" ")),
      `sentinel monitor mymaster 127.0.0.1 ${masterTls} 1`,
      "sentinel auth-pass mymaster hush",
    ].join("\n"),
  });
  url = `rediss+sentinel://:hush@127.0.0.1:${sentinelTls}/0/mymaster`;
});

after(async () => {
  await sentinel.stop("SIGKILL");
  await master.stop();
  rmSync(dir, { recursive: true, force: true });
});

const settings = (ca: string) => ({
  KEYFRAME_SENTINEL_PASSWORD: "whisper",
  KEYFRAME_UPSTREAM_SERVER_NAME: "valkey.test",
  KEYFRAME_UPSTREAM_CA: join(dir, `${ca}.pem`),
});

test("sentinel, its pushes and the master are reached over TLS", async () => {
  const sidecar = await startSidecar({ upstream: url, env: settings("server") });
  try {
    await sidecar.ready();
    const app = await RespClient.connect({ port: sidecar.port });
    assert.equal(await app.text("SET", "k", "v"), "OK");
    assert.equal(await master.cli("GET", "k"), "v");
    await app.close();
    await eventually(
      "the sentinel is heard",
      async () => (await sidecar.metric("keyframe_sentinels", { state: "connected" })) === 1,
    );
  } finally {
    await sidecar.stop();
  }
});

test("a sentinel whose certificate somebody else signed is not believed", async () => {
  const sidecar = await startSidecar({ upstream: url, env: { ...settings("stranger"), KEYFRAME_DIAL_TIMEOUT: "1s" } });
  try {
    const said = await sidecar.logged("sentinel-unresolved");
    assert.match(JSON.stringify(said.answers), /certificate|self-signed/i);
    assert.equal(await sidecar.metric("keyframe_sentinels", { state: "connected" }), 0);
    assert.equal((await fetch(`${sidecar.adminUrl}/readyz`)).status, 503);
    const app = await RespClient.connect({ port: sidecar.port });
    assert.match(String(await app.text("GET", "k")), /no sentinel names a master: .*(certificate|self-signed)/i);
    await app.close();
  } finally {
    await sidecar.stop();
  }
});
