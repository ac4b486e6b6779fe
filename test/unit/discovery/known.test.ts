/** The list of sentinels: bounded, the URL's for ever, announced ones while they answer. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KnownSentinels, MAX_ANNOUNCED } from "../../../src/discovery/known.js";

const at = (port: number) => ({ host: "127.0.0.1", port });
const ports = (known: KnownSentinels) => known.all().map((address) => address.port);

test("those of the URL stay however often they fail", () => {
  const known = new KnownSentinels([at(1), at(2)]);
  for (let i = 0; i < 50; i++) known.failed(at(1), i);
  assert.deepEqual(ports(known), [1, 2]);
});

test("an announced one is taken in once, and never beside the URL's", () => {
  const known = new KnownSentinels([at(1)]);
  assert.equal(known.learn(at(2), 0), true);
  assert.equal(known.learn(at(2), 0), false);
  assert.equal(known.learn(at(1), 0), false);
  assert.deepEqual(ports(known), [1, 2]);
});

test("an announced one that does not answer five times running is dropped, and not taken back for a minute", () => {
  const known = new KnownSentinels([at(1)]);
  known.learn(at(2), 0);
  for (let i = 0; i < 4; i++) known.failed(at(2), 0);
  known.answered(at(2));
  for (let i = 0; i < 4; i++) known.failed(at(2), 0);
  assert.deepEqual(ports(known), [1, 2]);
  known.failed(at(2), 1_000);
  assert.deepEqual(ports(known), [1]);
  assert.equal(known.learn(at(2), 60_999), false);
  assert.equal(known.learn(at(2), 61_000), true);
});

test("a flood of announcements is bounded, also in what is remembered of it", () => {
  const known = new KnownSentinels([at(1)]);
  for (let port = 2; port < 2_000; port++) known.learn(at(port), 0);
  assert.equal(known.all().length, 1 + MAX_ANNOUNCED);
  for (let round = 0; round < 3; round++) {
    for (const address of known.all()) for (let i = 0; i < 5; i++) known.failed(address, 0);
    assert.deepEqual(ports(known), [1]);
    for (let port = 2_000 + round * 100; port < 2_100 + round * 100; port++) known.learn(at(port), 0);
    assert.equal(known.all().length, 1 + MAX_ANNOUNCED);
  }
  // The first ones have been forgotten, and could come back.
  for (const address of known.all()) for (let i = 0; i < 5; i++) known.failed(address, 0);
  assert.equal(known.learn(at(2), 0), true);
});
