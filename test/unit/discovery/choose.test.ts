/** Which address is the master when sentinels do not say the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, choose, type Known, unanimous } from "../../../src/discovery/choose.js";

const ids = "abcdefgh";
const none: Known = { epoch: -1, total: 1 };
/** Answers written as port:epoch, of sentinels a, b, c… */
function answers(text: string, total = 3): Answer[] {
  return text.split(" ").map((one, i) => {
    const [port, epoch] = one.split(":").map(Number);
    return { id: ids[i]!, address: { host: "10.0.0.1", port: port! }, epoch: epoch!, total };
  });
}

const cases: { what: string; says: string; seen?: number; total?: number; least?: number; is: number | string }[] = [
  { what: "all name one", says: "1:4 1:4 1:4", is: 1 },
  { what: "one that answers is enough while the others are silent", says: "1:4", is: 1 },
  { what: "the same address under two epochs is one", says: "1:4 1:5 1:4", is: 1 },
  { what: "the higher epoch wins where most have it", says: "1:4 2:5 2:5", is: 2 },
  { what: "the higher epoch wins with as many votes", says: "1:4 2:5", is: 2 },
  { what: "the higher epoch does not win against a majority", says: "1:4 1:4 2:5", is: "minority" },
  {
    what: "a majority of those that answer counts, not of those that exist",
    says: "1:4 1:4 2:5",
    total: 7,
    is: "minority",
  },
  { what: "no majority names another: the higher epoch wins from a minority", says: "1:4 2:5 3:3 3:3", is: 2 },
  { what: "equal epochs: most votes win", says: "1:0 2:0 2:0", is: 2 },
  { what: "equal epochs and votes: nobody", says: "1:0 2:0", is: "split" },
  { what: "a sentinel that was set up anew, with epoch 0, does not win", says: "1:0 2:7 2:7", is: 2 },
  { what: "unknown epochs: votes decide", says: "1:-1 2:-1 2:-1", is: 2 },
  { what: "a known epoch wins over an unknown one", says: "1:-1 2:0", is: 2 },
  { what: "an epoch below what was acted on, from one of three: refused", says: "1:4", seen: 5, is: "stale" },
  { what: "also where it is what we have", says: "2:5", seen: 5, is: 2 },
  { what: "a majority may begin anew at a lower epoch", says: "1:0 1:0", seen: 5, is: 1 },
  { what: "half is no majority", says: "1:0 1:0", seen: 5, total: 4, is: "stale" },
  {
    what: "one that believes it is alone is no majority of three",
    says: "1:0",
    seen: 5,
    total: 1,
    least: 3,
    is: "stale",
  },
  { what: "a higher epoch from one of three: taken", says: "2:6", seen: 5, is: 2 },
];
for (const { what, says, seen = -1, total = 3, least = 1, is } of cases) {
  test(what, () => {
    // The order in which they answer must not matter.
    for (const given of [answers(says, total), answers(says, total).reverse()]) {
      const choice = choose(given, { epoch: seen, total: least });
      assert.equal(choice.kind === "master" ? choice.address.port : choice.reason, is);
      if (choice.kind === "refused") assert.match(choice.text, /\d name 10\.0\.0\.1:\d \(epoch -?\d+\)/);
    }
  });
}

test("one sentinel by two addresses has one vote", () => {
  const twice = answers("1:4 1:4 2:5");
  twice[1]!.id = twice[0]!.id;
  const choice = choose(twice, none);
  assert.equal(choice.kind === "master" && choice.address.port, 2);
  assert.equal(
    unanimous(
      answers("1:4 1:4").map((one) => ({ ...one, id: "a" })),
      none,
    ),
    undefined,
  );
});

test("those without an id have a vote each", () => {
  const nameless = answers("1:4 1:4 2:5").map((one) => ({ ...one, id: undefined }));
  assert.equal(choose(nameless, none).kind, "refused");
});

test("the answer that was chosen tells its epoch", () => {
  const choice = choose(answers("1:4 2:9 2:5"), none);
  assert.equal(choice.kind === "master" && choice.epoch, 9);
});

test("unanimous: more than half of all, and nobody against", () => {
  assert.equal(unanimous(answers("1:4 1:4"), none)?.port, 1);
  assert.equal(unanimous(answers("1:4"), none), undefined);
  assert.equal(unanimous(answers("1:4 1:4 2:5"), none), undefined);
  assert.equal(unanimous(answers("1:4 1:4", 4), none), undefined);
  assert.equal(unanimous([], none), undefined);
  assert.equal(unanimous(answers("1:0", 1), none)?.port, 1);
  assert.equal(unanimous(answers("1:0", 1), { epoch: -1, total: 2 }), undefined);
});
