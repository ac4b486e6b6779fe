/** What is said again to a new upstream half: everything that still holds, in its order, and no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Aspect, Replay } from "../../../src/proxy/replay.js";

const { Protocol, Credentials, Database, Name, LibraryName, LibraryVersion } = Aspect;

function said(...requests: [aspects: number, request: string][]): string[] {
  const replay = new Replay();
  for (const [aspects, request] of requests) replay.remember(aspects, Buffer.from(request));
  return replay.requests().map(String);
}

test("the newest of each kind, in order", () => {
  assert.deepEqual(said([Protocol, "HELLO 3"], [Database, "SELECT 1"], [Name, "a"], [Database, "SELECT 2"]), [
    "HELLO 3",
    "a",
    "SELECT 2",
  ]);
});

test("a HELLO that says more than the newer one stays, so that nothing it said is lost", () => {
  const long = Protocol | Credentials | Name;
  assert.deepEqual(said([long, "HELLO 3 AUTH u p SETNAME n"], [Protocol, "HELLO 2"]), [
    "HELLO 3 AUTH u p SETNAME n",
    "HELLO 2",
  ]);
  assert.deepEqual(said([Protocol, "HELLO 2"], [Credentials, "AUTH"], [Name, "n"], [long, "HELLO 3 …"]), ["HELLO 3 …"]);
});

test("it does not grow", () => {
  const replay = new Replay();
  for (let i = 0; i < 10_000; i++) replay.remember(1 + ((i * 7919) % 63), Buffer.alloc(1));
  assert.ok(replay.requests().length <= 32, `${replay.requests().length} requests`);
});

test("RESET takes all but the library, as the server does", () => {
  const replay = new Replay();
  replay.remember(Protocol | Name, Buffer.from("HELLO"));
  replay.remember(LibraryName, Buffer.from("lib"));
  replay.remember(LibraryVersion, Buffer.from("ver"));
  replay.reset();
  assert.deepEqual(replay.requests().map(String), ["lib", "ver"]);
  assert.equal(replay.says(Name), false);
});

test("who says its credentials first introduces itself", () => {
  const replay = new Replay();
  assert.equal(replay.introducesItself, false);
  replay.remember(Protocol, Buffer.from("HELLO 3"));
  replay.remember(Credentials, Buffer.from("AUTH p"));
  assert.equal(replay.introducesItself, false, "HELLO goes first, and would be refused");
  replay.remember(Protocol, Buffer.from("HELLO 3"));
  assert.equal(replay.introducesItself, true);
});
