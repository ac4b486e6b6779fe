/** Dials: tried again while the upstream is unsettled, ended where the upstream has moved away, nothing left behind. */
import assert from "node:assert/strict";
import dns from "node:dns";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { type Address, Dialer, type Resolver, StaticResolver } from "../../../src/discovery/dialer.js";
import { Unsettled } from "../../../src/discovery/resolver.js";
import { freePort } from "../../support/ports.js";
import { eventually } from "../../support/wait.js";
import { type Fake, startFakeNode } from "./fakes.js";

class Moving implements Resolver {
  readonly moves = true;
  asked = 0;
  invalidated = 0;
  readonly suspicions: string[] = [];
  move: (to: Address) => void = () => {};
  constructor(public answer: () => Address | Promise<Address>) {}
  async resolve() {
    this.asked++;
    return await this.answer();
  }
  invalidate() {
    this.invalidated++;
  }
  suspect(reason: string) {
    this.suspicions.push(reason);
  }
  onMove(moved: (to: Address) => void) {
    this.move = moved;
  }
  close() {}
}

const at = (port: number): Address => ({ host: "127.0.0.1", port });
const options = { timeoutMs: 2_000, tls: undefined };
const closed = (socket: Socket) => eventually("the socket is closed", () => socket.closed);

async function withNodes(count: number, run: (...nodes: Fake[]) => Promise<void>): Promise<void> {
  const nodes: Fake[] = [];
  for (let i = 0; i < count; i++) nodes.push(await startFakeNode({}));
  try {
    await run(...nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

test("a port that refuses the first dials after a failover is dialled again until it listens", async () => {
  const port = await freePort();
  const resolver = new Moving(() => at(port));
  const dialer = new Dialer(resolver, options);
  const dial = dialer.connect();
  await eventually("the first dials were refused", () => resolver.invalidated >= 2);
  const node = await startFakeNode({}, port);
  try {
    const socket = await dial;
    assert.equal(socket.remotePort, port);
    assert.ok(resolver.asked >= 3, "each try asks anew where the master is");
  } finally {
    dialer.close();
    await node.stop();
  }
});

test("a host name is looked up anew at each dial", async (t) => {
  const listener = createServer((socket) => socket.resume()).listen(0, "0.0.0.0");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  // No name server of a test's own can be had without touching the machine: the lookup itself answers.
  const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.1"];
  const asked: string[] = [];
  t.mock.method(dns, "lookup", ((host: string, lookup: dns.LookupAllOptions, found: (...answer: unknown[]) => void) => {
    const address = addresses[asked.push(host) - 1]!;
    process.nextTick(() => (lookup.all ? found(null, [{ address, family: 4 }]) : found(null, address, 4)));
  }) as typeof dns.lookup);
  const dialer = new Dialer(new StaticResolver({ host: "valkey.example", port }), options);
  try {
    const reached: (string | undefined)[] = [];
    for (const _ of addresses) reached.push((await dialer.connect()).remoteAddress);
    assert.deepEqual(reached, addresses);
    assert.deepEqual(
      asked,
      addresses.map(() => "valkey.example"),
    );
  } finally {
    dialer.close();
    listener.close();
  }
});

test("a dial that is never accepted ends at the deadline, with the reason", async () => {
  const port = await freePort();
  const dialer = new Dialer(new Moving(() => at(port)), { ...options, timeoutMs: 300 });
  const began = performance.now();
  await assert.rejects(dialer.connect(), /upstream 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/);
  assert.ok(performance.now() - began < 1_000);
  dialer.close();
});

test("a resolver that does not answer does not hold a dial beyond its deadline", async () => {
  const dialer = new Dialer(new Moving(() => new Promise<Address>(() => {})), { ...options, timeoutMs: 100 });
  await assert.rejects(dialer.connect(), /not found within 100 ms/);
  dialer.close();
});

test("a fixed address is dialled once", async () => {
  const port = await freePort();
  const dialer = new Dialer(new StaticResolver(at(port)), options);
  const began = performance.now();
  await assert.rejects(dialer.connect(), /cannot be reached/);
  assert.ok(performance.now() - began < 500, "no second try");
  dialer.suspect("READONLY");
  dialer.close();
});

test("what is not worth another try is not tried again", async () => {
  const resolver = new Moving(() => {
    throw new Error("no sentinel names a master");
  });
  const dialer = new Dialer(resolver, options);
  await assert.rejects(dialer.connect(), /no sentinel/);
  assert.equal(resolver.asked, 1);
  dialer.close();
});

test("when the upstream moves, connections elsewhere end and those there stay", () =>
  withNodes(2, async (a, b) => {
    let now = a.port;
    const resolver = new Moving(() => at(now));
    const dialer = new Dialer(resolver, options);
    const old = [await dialer.connect(), await dialer.connect()];
    now = b.port;
    const fresh = await dialer.connect();
    resolver.move(at(b.port));
    await Promise.all(old.map(closed));
    assert.equal(fresh.destroyed, false);
    // The other way round, those that were spared go too: the registry knows them all.
    resolver.move(at(a.port));
    await closed(fresh);
    dialer.close();
  }));

test("a dial that the move overtakes ends at the new address", () =>
  withNodes(2, async (a, b) => {
    let now = a.port;
    const resolver = new Moving(() => at(now));
    const dialer = new Dialer(resolver, options);
    const dial = dialer.connect();
    // The resolver has answered, the connection is under way.
    await Promise.resolve();
    now = b.port;
    resolver.move(at(b.port));
    assert.equal((await dial).remotePort, b.port);
    dialer.close();
  }));

test("an answer that a move has overtaken is not used", () =>
  withNodes(2, async (a, b) => {
    const resolver = new Moving(() => at(resolver.asked === 1 ? a.port : b.port));
    const dialer = new Dialer(resolver, options);
    resolver.move(at(b.port));
    const socket = await dialer.connect();
    assert.equal(socket.remotePort, b.port);
    assert.equal(resolver.asked, 2);
    dialer.close();
  }));

test("a move wakes the dials that wait for their next try", () =>
  withNodes(1, async (a) => {
    let ready = false;
    const resolver = new Moving(() => {
      if (!ready) throw new Unsettled("a failover is going on");
      return at(a.port);
    });
    const dialer = new Dialer(resolver, { ...options, timeoutMs: 10_000 });
    const dials = Array.from({ length: 20 }, () => dialer.connect());
    await eventually("they wait", () => resolver.asked > 60);
    ready = true;
    const began = performance.now();
    resolver.move(at(a.port));
    await Promise.all(dials);
    assert.ok(performance.now() - began < 150, "at once, not at the next try");
    dialer.close();
  }));

test("a connection that the other end ends or resets must be proved anew, and is not when we end it", () =>
  withNodes(1, async (a) => {
    const resolver = new Moving(() => at(a.port));
    const dialer = new Dialer(resolver, options);
    const [ended, reset, own] = [await dialer.connect(), await dialer.connect(), await dialer.connect()];
    for (const socket of [ended, reset, own]) socket.on("error", () => {}).resume();
    await eventually("all are accepted", () => a.sockets.size === 3);
    const peer = (socket: Socket) => [...a.sockets].find((one) => one.remotePort === socket.localPort)!;
    own.destroy();
    await closed(own);
    assert.equal(resolver.invalidated, 0);
    peer(ended).end();
    await eventually("the end is heard", () => resolver.invalidated === 1);
    peer(reset).resetAndDestroy();
    await eventually("the reset is heard", () => resolver.invalidated === 2);
    dialer.close();
  }));

test("suspicions reach the resolver until the end", () => {
  const resolver = new Moving(() => at(1));
  const dialer = new Dialer(resolver, options);
  dialer.suspect("READONLY");
  dialer.close();
  dialer.suspect("LOADING");
  assert.deepEqual(resolver.suspicions, ["READONLY"]);
});

test("close ends connections, and dials that wait or are under way", () =>
  withNodes(1, async (a) => {
    const resolver = new Moving(() => at(a.port));
    const dialer = new Dialer(resolver, { ...options, timeoutMs: 60_000 });
    const open = await dialer.connect();
    resolver.answer = () => {
      throw new Unsettled("a failover is going on");
    };
    const waiting = dialer.connect();
    resolver.answer = () => at(a.port);
    const underWay = dialer.connect();
    await Promise.resolve();
    await Promise.resolve();
    dialer.close();
    await closed(open);
    await assert.rejects(waiting);
    await assert.rejects(underWay);
    await assert.rejects(dialer.connect(), /ending/);
  }));
