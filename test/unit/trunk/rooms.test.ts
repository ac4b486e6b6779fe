/** Which users a pod has: what is needed, what the server is told, how long a write waits, what outlives the process. */
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { nullMeter, silentLog } from "../../../src/core/ports.js";
import { markOf } from "../../../src/plane/mark.js";
import { OwnRaws } from "../../../src/plane/own-raws.js";
import { LocalRooms, type RoomOptions } from "../../../src/trunk/rooms.js";
import type { Upstreamed } from "../../../src/trunk/subscriber.js";

const DAY_MS = 24 * 3_600_000;
const dirs: string[] = [];
after(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true });
});

function directory(): string {
  dirs.push(mkdtempSync(join(tmpdir(), "keyframe-rooms-")));
  return dirs.at(-1)!;
}

/** The receiving connection, as far as rooms know it. */
class Subscriptions {
  shared = true;
  known = false;
  readonly held = new Map<string, Upstreamed>();

  want(kind: "room", presence: Buffer): Upstreamed {
    const one: Upstreamed = { kind, name: presence, state: "pending", error: "", ownRaws: new OwnRaws(), asked: 0 };
    this.held.set(presence.toString(), one);
    return one;
  }

  drop(subscription: Upstreamed): void {
    this.held.delete(subscription.name.toString());
  }

  knowsRooms(known: boolean): void {
    this.known = known;
  }
}

function made(stateDir: string | undefined, options: Partial<RoomOptions> = {}) {
  const subscriptions = new Subscriptions();
  const all = { keyPrefix: "open-webui", stateDir, count: 10, waitMs: 50, ...options };
  const rooms = new LocalRooms(all, subscriptions, silentLog, nullMeter);
  rooms.load();
  return { rooms, subscriptions };
}

const session = (id: unknown) => Buffer.from(JSON.stringify({ id, name: "x" }));
const mark = (id: string) => markOf(Buffer.from(`user:${id}`));
const never = () => assert.fail("there was nothing to wait for");

test("before the first session everything is needed, then the rooms of those that were seen", () => {
  const { rooms, subscriptions } = made(directory());
  assert.ok(rooms.needs(mark("ann")));
  assert.equal(subscriptions.known, false);
  assert.ok(rooms.session(session("ann"), () => {}));
  assert.ok(subscriptions.known);
  assert.deepEqual([...subscriptions.held.keys()], ["~kf1~to~user:ann"]);
  assert.ok(rooms.needs(mark("ann")));
  assert.ok(!rooms.needs(mark("ben")));
  assert.ok(rooms.needs(0), "what has no mark concerns everybody");
  assert.ok(rooms.watches(Buffer.from("open-webui:session_pool")));
  assert.ok(!rooms.watches(Buffer.from("open-webui:usage_pool")));
});

test("a write waits until the server counts us, or for as long as it may; a known user's does not", async () => {
  const { rooms, subscriptions } = made(directory());
  let counted = false;
  const count = () => {
    counted = true;
  };
  assert.ok(rooms.session(session("ann"), count));
  const one = subscriptions.held.get("~kf1~to~user:ann")!;
  one.state = "confirmed";
  rooms.settled(one);
  assert.ok(counted);
  assert.equal(rooms.session(session("ann"), never), false);
  const began = performance.now();
  await new Promise<void>((resolve) => {
    assert.ok(rooms.session(session("ben"), resolve));
  });
  assert.ok(performance.now() - began >= 45);
  subscriptions.shared = false;
  assert.equal(rooms.session(session("eve"), never), false, "nobody here listens");
});

for (const [what, spoil] of [
  ["a session without an id", (rooms: LocalRooms) => rooms.session(session(7), never)],
  ["a session that is no JSON", (rooms: LocalRooms) => rooms.session(Buffer.from("{"), never)],
  ["a session of nothing", (rooms: LocalRooms) => rooms.session(Buffer.from("null"), never)],
  ["a session on a connection that is passed through", (rooms: LocalRooms) => rooms.unseen()],
] as const) {
  test(`${what}: everything is needed, also by the next process`, () => {
    const dir = directory();
    const { rooms, subscriptions } = made(dir);
    rooms.session(session("ann"), () => {});
    spoil(rooms);
    assert.equal(subscriptions.known, false);
    assert.ok(rooms.needs(mark("ben")));
    assert.ok(made(dir).rooms.needs(mark("ben")));
    assert.deepEqual(readdirSync(dir), ["users-unknown"]);
  });
}

test("more users than are allowed, a room that the server refuses: everything", () => {
  const few = made(directory(), { count: 1 });
  few.rooms.session(session("ann"), () => {});
  assert.ok(!few.rooms.needs(mark("ben")));
  assert.equal(few.rooms.session(session("ben"), never), false);
  assert.ok(few.rooms.needs(mark("eve")));
  const refused = made(directory());
  refused.rooms.session(session("ann"), () => {});
  const one = refused.subscriptions.held.get("~kf1~to~user:ann")!;
  one.state = "denied";
  refused.rooms.settled(one);
  assert.ok(refused.rooms.needs(mark("eve")));
});

test("without a directory, or without rooms: everything, and no write is looked at", () => {
  for (const { rooms } of [made(undefined), made(directory(), { count: 0 })]) {
    assert.ok(!rooms.watches(Buffer.from("open-webui:session_pool")));
    assert.ok(rooms.needs(mark("ann")));
  }
});

test("users outlive the process, for a day; the line that was being written is left out", () => {
  const dir = directory();
  const file = join(dir, "users");
  made(dir).rooms.session(session('a "name" with\nall'), () => {});
  made(dir).rooms.session(session("ben"), () => {});
  const old = Date.now() - DAY_MS - 1;
  const now = Date.now();
  appendFileSync(file, `${old} "long ago"\n${old} "back again"\n${now} "back again"\n${now} "cut o`);
  const { rooms, subscriptions } = made(dir);
  assert.ok(rooms.needs(mark('a "name" with\nall')));
  assert.ok(rooms.needs(mark("ben")));
  assert.ok(rooms.needs(mark("back again")));
  assert.ok(!rooms.needs(mark("long ago")));
  assert.equal(subscriptions.held.size, 3);
  assert.equal(readFileSync(file, "utf8").trim().split("\n").length, 3);
});

test("a list that cannot be read is not believed", () => {
  for (const text of ["nonsense\n", '12 "ann\n', 'x "ann"\n', "12 7\n"]) {
    const dir = directory();
    writeFileSync(join(dir, "users"), `${Date.now()} "ann"\n${text}`);
    assert.ok(made(dir).rooms.needs(mark("ben")), text);
  }
});

test("a day without a word of a user ends her room, and no other", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_800_000_000_000 });
  const { rooms, subscriptions } = made(directory());
  rooms.session(session("ann"), () => {});
  rooms.session(session("ben"), () => {});
  t.mock.timers.setTime(1_800_000_000_000 + DAY_MS - 1);
  rooms.session(session("ben"), () => {});
  rooms.sweep();
  assert.equal(subscriptions.held.size, 2);
  t.mock.timers.setTime(1_800_000_000_000 + DAY_MS + 1);
  rooms.sweep();
  assert.deepEqual([...subscriptions.held.keys()], ["~kf1~to~user:ben"]);
  assert.ok(!rooms.needs(mark("ann")));
});

test("the file is written anew before what is said again fills it", (t) => {
  const now = 1_800_000_000_000;
  t.mock.timers.enable({ apis: ["Date"], now });
  const dir = directory();
  const { rooms } = made(dir);
  const HOUR_MS = 3_600_000;
  let most = 0;
  for (let hour = 0; hour < 1_200; hour++) {
    t.mock.timers.setTime(now + hour * (HOUR_MS + 1));
    for (const id of ["ann", "ben"]) rooms.session(session(id), () => {});
    most = Math.max(most, readFileSync(join(dir, "users")).length);
  }
  assert.ok(most < 1_100 * 22, `${most} bytes`);
  assert.ok(made(dir).rooms.needs(mark("ann")));
  assert.ok(!made(dir).rooms.needs(mark("eve")));
});
