/** The resolver against sentinels and servers that say what real ones would say only in bad moments. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { Dialer } from "../../../src/discovery/dialer.js";
import { Unsettled } from "../../../src/discovery/resolver.js";
import { SentinelResolver } from "../../../src/discovery/sentinel.js";
import { freePort } from "../../support/ports.js";
import { eventually } from "../../support/wait.js";
import {
  type Belief,
  type Fake,
  type FakeReply,
  keptLog,
  keptMeter,
  startFake,
  startFakeNode,
  startFakeSentinel,
} from "./fakes.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

async function sentinel(belief: Belief): Promise<Fake> {
  const fake = await startFakeSentinel(belief);
  cleanups.push(() => fake.stop());
  return fake;
}

async function node(state: { role?: FakeReply; ping?: FakeReply } = {}, port = 0): Promise<Fake> {
  const fake = await startFakeNode(state, port);
  cleanups.push(() => fake.stop());
  return fake;
}

const nobody = { username: undefined, password: undefined };

function resolverOf(
  ports: number[],
  options: { master?: string; timeoutMs?: number; password?: string; optional?: boolean } = {},
) {
  const { log, lines } = keptLog();
  const { meter, value } = keptMeter();
  const resolver = new SentinelResolver(
    {
      nodes: ports.map((port) => ({ host: "127.0.0.1", port })),
      master: options.master ?? "mymaster",
      login: { ...nobody, password: options.password, optional: options.optional },
      serverLogin: nobody,
      tls: undefined,
      timeoutMs: options.timeoutMs ?? 1_000,
    },
    log,
    meter,
    { now: () => performance.now() },
  );
  cleanups.push(() => resolver.close());
  const moves: number[] = [];
  resolver.onMove((to) => moves.push(to.port));
  const refusals = (reason: string) => value("keyframe_master_refusals_total", { reason });
  return { resolver, lines, value, moves, refusals };
}

const master = async (resolver: SentinelResolver) => (await resolver.resolve()).port;
const believe = (id: string, port: number, epoch = 1, more: Partial<Belief> = {}): Belief => ({
  id,
  master: port,
  epoch,
  total: 3,
  ...more,
});

test("a burst of dials costs one question and one check; a second later it is asked again", async () => {
  const server = await node();
  const one = await sentinel(believe("a", server.port, 1, { total: 1 }));
  const { resolver } = resolverOf([one.port]);
  const roles = () => server.asked.filter((line) => line === "ROLE").length;
  const began = performance.now();
  await Promise.all(Array.from({ length: 500 }, () => resolver.resolve()));
  assert.equal(roles(), 1);
  await eventually("the address is proved anew", async () => {
    await resolver.resolve();
    return roles() >= 2;
  });
  // The first sign of life of the watch costs the cached proof, and that is all.
  assert.ok(roles() <= 1 + Math.ceil((performance.now() - began) / 1_000) + 1, `${roles()} checks`);
});

test("the servers' password, tried at a sentinel that refuses it, is no obstacle unless it was meant for it", async () => {
  const server = await node();
  const one = await sentinel({ ...believe("a", server.port, 1, { total: 1 }), login: "WRONGPASS invalid pair" });
  assert.equal(await master(resolverOf([one.port], { password: "hush-hush", optional: true }).resolver), server.port);
  assert.ok(one.asked.some((line) => line.startsWith("AUTH")));
  await assert.rejects(master(resolverOf([one.port], { password: "hush-hush" }).resolver));
});

test("a stale sentinel in the URL is outvoted by those that it announces", async () => {
  const [now, before] = [await node(), await node()];
  const b = await sentinel(believe("b", now.port, 7));
  const c = await sentinel(believe("c", now.port, 7));
  const a = await sentinel(believe("a", before.port, 0, { others: [{ port: b.port }, { port: c.port }] }));
  const { resolver, value } = resolverOf([a.port]);
  assert.equal(await master(resolver), now.port);
  assert.equal(before.asked.length, 0, "the old one is not even asked");
  assert.equal(value("keyframe_sentinels", { state: "known" }), 3);
  await eventually("all are heard", () => value("keyframe_sentinels", { state: "connected" }) === 3);
});

test("a sentinel that believes it is alone does not speak for the others in the URL", async () => {
  const [now, before] = [await node(), await node()];
  const alone = await sentinel(believe("a", before.port, 0, { total: 1 }));
  const real = await startFakeSentinel(believe("b", now.port, 7));
  cleanups.push(() => real.stop());
  const { resolver, value, moves } = resolverOf([alone.port, real.port]);
  for (let i = 0; i < 20; i++) {
    resolver.invalidate();
    assert.equal(await master(resolver), now.port);
  }
  // Nor when it is the only one that is left: what was known counts.
  await real.stop();
  resolver.invalidate();
  await assert.rejects(resolver.resolve(), /epoch 7 was heard before/);
  assert.deepEqual(moves, []);
  assert.equal(value("keyframe_master_switches_total"), 0);
  assert.equal(before.asked.length, 0);
});

test("a sentinel that the others find dead is not taken in", async () => {
  const server = await node();
  const dead = await freePort();
  const a = await sentinel(believe("a", server.port, 1, { others: [{ port: dead, flags: "s_down,sentinel" }] }));
  const { resolver, value } = resolverOf([a.port]);
  await resolver.resolve();
  assert.equal(value("keyframe_sentinels", { state: "known" }), 1);
});

test("an announced sentinel that never answers is dropped, and costs no waiting while the others agree", async () => {
  const server = await node();
  const mute = await sentinel(believe("m", server.port, 1, { silent: true }));
  const others = [{ port: mute.port }];
  const a = await sentinel(believe("a", server.port, 1, { others }));
  const b = await sentinel(believe("b", server.port, 1, { others }));
  const { resolver, value } = resolverOf([a.port, b.port], { timeoutMs: 150 });
  assert.equal(await master(resolver), server.port);
  assert.equal(value("keyframe_sentinels", { state: "known" }), 3);
  await eventually("it is dropped", async () => {
    resolver.invalidate();
    const began = performance.now();
    await resolver.resolve();
    assert.ok(performance.now() - began < 140);
    return value("keyframe_sentinels", { state: "known" }) === 2;
  });
  assert.ok(value("keyframe_sentinel_timeouts_total") >= 5);
});

test("what most sentinels contradict is refused, though its epoch is higher and it claims to be the master", async () => {
  const [named, claims] = [await node(), await node()];
  // Of five in all, so that two that agree are not enough to leave the third unheard.
  const beliefs = [named, named, claims].map((by, i) => believe("abc"[i]!, by.port, i < 2 ? 1 : 2, { total: 5 }));
  const ports: number[] = [];
  for (const belief of beliefs) ports.push((await sentinel(belief)).port);
  const { resolver, refusals, lines } = resolverOf(ports);
  await assert.rejects(resolver.resolve(), (error: Error) => {
    assert.ok(error instanceof Unsettled);
    assert.match(error.message, /master "mymaster" is not settled: the sentinels disagree, most name an older master/);
    return true;
  });
  assert.ok(refusals("minority") >= 1);
  assert.equal(claims.asked.length, 0);
  assert.ok(lines.some((line) => line.event === "sentinels-disagree"));
  // The others follow: it holds.
  beliefs[0]!.master = claims.port;
  beliefs[0]!.epoch = 2;
  assert.equal(await master(resolver), claims.port);
});

test("what is left of the sentinels after a partition does not lead back to the old master", async () => {
  const [old, fresh] = [await node(), await node()];
  const a = believe("a", old.port, 4);
  const b = believe("b", fresh.port, 5);
  const c = believe("c", fresh.port, 5);
  const ports = [(await sentinel(a)).port, (await sentinel(b)).port, (await sentinel(c)).port];
  const { resolver, refusals, moves } = resolverOf(ports, { timeoutMs: 150 });
  assert.equal(await master(resolver), fresh.port);
  b.silent = true;
  c.silent = true;
  // A question under way may still have been answered by all.
  await eventually("it is refused", async () => {
    resolver.invalidate();
    const said = await resolver.resolve().then(String, (error: Error) => error.message);
    return said.includes("epoch 5 was heard before");
  });
  assert.ok(refusals("stale") >= 1);
  assert.deepEqual(moves, []);
});

for (const [what, state, words, reason] of [
  ["a replica", { role: ["slave", "127.0.0.1", 1, "connected", 0] }, /but it is a replica/, "not_master"],
  ["still loading", { ping: new Error("LOADING the dataset") }, /but it is loading its data/, "loading"],
] as [string, { role?: FakeReply; ping?: FakeReply }, RegExp, string][]) {
  test(`a named master that is ${what} is refused, until it is not`, async () => {
    const server = await node(state);
    const one = await sentinel(believe("a", server.port, 1, { total: 1 }));
    const { resolver, refusals } = resolverOf([one.port]);
    await assert.rejects(resolver.resolve(), words);
    assert.equal(refusals(reason), 1);
    delete state.role;
    delete state.ping;
    assert.equal(await master(resolver), server.port);
  });
}

test("a server whose ACL denies ROLE is used", async () => {
  const denied = new Error("NOPERM this user has no permissions");
  const server = await node({ role: denied, ping: denied });
  const one = await sentinel(believe("a", server.port, 1, { total: 1 }));
  assert.equal(await master(resolverOf([one.port]).resolver), server.port);
});

test("a master that answers nothing is refused at the deadline", async () => {
  const server = await startFake(() => "silent");
  cleanups.push(() => server.stop());
  const one = await sentinel(believe("a", server.port, 1, { total: 1 }));
  const { resolver, refusals } = resolverOf([one.port], { timeoutMs: 100 });
  await assert.rejects(resolver.resolve(), /cannot be reached: no answer within 100 ms/);
  assert.equal(refusals("unreachable"), 1);
});

test("a sentinel that may not tell more than the address is enough", async () => {
  const server = await node();
  const shy = await startFake(([, sub]) =>
    sub === "get-master-addr-by-name" ? ["127.0.0.1", String(server.port)] : new Error("NOPERM no"),
  );
  cleanups.push(() => shy.stop());
  assert.equal(await master(resolverOf([shy.port]).resolver), server.port);
});

/** Three sentinels that name `old`, a resolver that has found it, and a way to let one of them tell of the switch. */
async function world() {
  const [old, fresh] = [await node(), await node()];
  const beliefs = ["a", "b", "c"].map((id) => believe(id, old.port, 1));
  const fakes: Fake[] = [];
  for (const belief of beliefs) fakes.push(await sentinel(belief));
  const made = resolverOf(fakes.map((fake) => fake.port));
  assert.equal(await master(made.resolver), old.port);
  await eventually("all are heard", () => made.value("keyframe_sentinels", { state: "connected" }) === 3);
  const count = () => fakes.map((fake) => fake.asked.length).join();
  // Each that is heard for the first time is a reason to ask; the tests begin when that is over.
  for (let last = ""; last !== count(); await new Promise((resolve) => setTimeout(resolve, 150))) last = count();
  const change = (i: number) => Object.assign(beliefs[i]!, { master: fresh.port, epoch: 2 });
  const tell = (i: number, name = "mymaster") =>
    fakes[i]!.publish("+switch-master", `${name} 127.0.0.1 ${old.port} 127.0.0.1 ${fresh.port}`);
  const questions = () =>
    fakes.reduce((sum, fake) => sum + fake.asked.filter((line) => /addr-by/.test(line)).length, 0);
  return { ...made, old, fresh, beliefs, fakes, change, tell, questions };
}

// Deadlines of 3 s: after 10 s a resolver asks by itself, and would find what it has not heard.
test("a switch that one sentinel tells of holds once most of them agree, and counts once", async () => {
  const { change, tell, moves, fresh, old, value, lines, resolver } = await world();
  change(0);
  tell(0);
  await eventually("the sentinels disagree", () => value("keyframe_master_refusals_total", { reason: "minority" }) > 0);
  assert.deepEqual(moves, []);
  change(1);
  change(2);
  tell(1);
  tell(2);
  await eventually("it moves", () => moves.length > 0, 3_000);
  assert.equal(await master(resolver), fresh.port);
  assert.deepEqual(moves, [fresh.port]);
  assert.equal(value("keyframe_master_switches_total"), 1);
  const said = lines.filter((line) => line.event === "master-switched");
  assert.deepEqual(said, [
    {
      event: "master-switched",
      fields: { from: `127.0.0.1:${old.port}`, to: `127.0.0.1:${fresh.port}`, heard: "sentinel" },
    },
  ]);
});

test("a switch of a master whose name differs in case, or only begins alike, is not ours", async () => {
  const { change, tell, moves, questions, fakes, value } = await world();
  for (const i of [0, 1, 2]) change(i);
  const before = questions();
  for (const name of ["MYMASTER", "mymaster2", "my", ""]) tell(0, name);
  // Something that is ours, behind them on the same connection, shows that they have been read.
  fakes[0]!.publish("+sentinel", `sentinel xyz 127.0.0.1 ${await freePort()} @ mymaster 127.0.0.1 1`);
  await eventually("it was read", () => value("keyframe_sentinels", { state: "known" }) === 4);
  assert.equal(questions(), before);
  assert.deepEqual(moves, []);
  tell(0);
  await eventually("ours is heard", () => moves.length === 1, 3_000);
});

test("a suspicion finds the new master where no push told of it, with one question at a time", async () => {
  const { change, resolver, moves, questions, lines, fresh } = await world();
  for (const i of [0, 1, 2]) change(i);
  const before = questions();
  for (let i = 0; i < 1_000; i++) resolver.suspect("READONLY");
  await eventually("it moves", () => moves.length === 1, 3_000);
  assert.deepEqual(moves, [fresh.port]);
  assert.equal(lines.find((line) => line.event === "master-switched")?.fields.heard, "suspicion");
  assert.ok(questions() - before <= 9, `${questions() - before} questions for a thousand suspicions`);
});

test("a suspicion that is wrong changes nothing", async () => {
  const { resolver, moves, questions, old } = await world();
  const before = questions();
  resolver.suspect("silent");
  await eventually("all were asked", () => questions() >= before + 3);
  assert.equal(await master(resolver), old.port);
  assert.deepEqual(moves, []);
});

test("sentinels that +sentinel tells of are taken in and heard; another master's are not", async () => {
  const { fakes, value, fresh } = await world();
  const d = await sentinel(believe("d", fresh.port, 1));
  fakes[0]!.publish("+sentinel", `sentinel xyz 127.0.0.1 ${d.port} @ MyMaster 127.0.0.1 1`);
  fakes[0]!.publish("+sentinel", `sentinel xyz 127.0.0.1 ${d.port} @ mymaster 127.0.0.1 1`);
  await eventually("it is heard", () => value("keyframe_sentinels", { state: "connected" }) === 4);
  assert.equal(value("keyframe_sentinels", { state: "known" }), 4);
});

test("a switch that was told while no sentinel was heard is found when one is heard again", async () => {
  const { fakes, change, moves, fresh } = await world();
  for (const i of [0, 1, 2]) change(i);
  for (const socket of fakes[1]!.sockets) socket.destroy();
  await eventually("it moves", () => moves.length === 1, 3_000);
  assert.deepEqual(moves, [fresh.port]);
});

test("through a dialer: connections to the old master end, the next ones go to the new", async () => {
  const { resolver, change, tell, old, fresh } = await world();
  const dialer = new Dialer(resolver, { timeoutMs: 3_000, tls: undefined });
  cleanups.push(() => dialer.close());
  const socket = await dialer.connect();
  assert.equal(socket.remotePort, old.port);
  for (const i of [0, 1, 2]) change(i);
  tell(2);
  await eventually("the old connection ends", () => socket.closed, 3_000);
  assert.equal((await dialer.connect()).remotePort, fresh.port);
});

test("a new master that refuses the first connections is tried again within the same dial", async () => {
  const port = await freePort();
  const one = await sentinel(believe("a", port, 1, { total: 1 }));
  const { resolver, refusals } = resolverOf([one.port]);
  const dialer = new Dialer(resolver, { timeoutMs: 5_000, tls: undefined });
  cleanups.push(() => dialer.close());
  const dial = dialer.connect();
  await eventually("it was refused", () => refusals("unreachable") >= 2);
  await node({}, port);
  assert.equal((await dial).remotePort, port);
});

test("a name that is known to none: each answer is said, and the password is in none", async () => {
  const one = await sentinel(believe("a", 1));
  const locked = await startFake(() => new Error("WRONGPASS invalid username-password pair or user is disabled."));
  cleanups.push(() => locked.stop());
  const gone = await freePort();
  const { resolver, lines } = resolverOf([one.port, locked.port, gone], { master: "MyMaster", password: "hush-hush" });
  await assert.rejects(resolver.resolve(), (error: Error) => {
    assert.ok(!(error instanceof Unsettled), "not worth another try within the dial");
    for (const words of [/WRONGPASS/, /ECONNREFUSED/]) assert.match(error.message, words);
    return true;
  });
  assert.ok(!JSON.stringify(lines).includes("hush-hush"));
  // Said again only when something else is to be said, or some time has passed.
  for (let i = 0; i < 5; i++) await assert.rejects(resolver.resolve());
  assert.equal(lines.filter((line) => line.event === "sentinel-unresolved").length, 1);
});

test("after close nothing is dialled, asked or kept open", async () => {
  const { resolver, fakes, tell, questions } = await world();
  resolver.close();
  await eventually("every connection ends", () => fakes.every((fake) => fake.sockets.size === 0));
  const before = questions();
  resolver.suspect("late");
  tell(0);
  await assert.rejects(resolver.resolve());
  assert.equal(questions(), before);
});
