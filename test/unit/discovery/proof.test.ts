/** What a server's own replies to ROLE and PING mean. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../../../src/discovery/proof.js";

const cases: { what: string; role: unknown; ping?: unknown; is: string | undefined }[] = [
  { what: "a master", role: ["master", 12, []], is: undefined },
  { what: "a replica", role: ["slave", "10.0.0.1", 6379, "connected", 12], is: "not_master" },
  { what: "a sentinel", role: ["sentinel", ["mymaster"]], is: "not_master" },
  {
    what: "a master that is loading",
    role: ["master", 0, []],
    ping: new Error("LOADING Redis is loading the dataset in memory"),
    is: "loading",
  },
  {
    what: "a replica that has lost its master",
    role: new Error("NOPERM no"),
    ping: new Error("MASTERDOWN Link with MASTER is down"),
    is: "not_master",
  },
  {
    what: "nobody lets us ask",
    role: new Error("NOPERM this user has no permissions to run the 'role' command"),
    ping: new Error("NOPERM no"),
    is: undefined,
  },
  {
    what: "credentials are missing",
    role: new Error("NOAUTH Authentication required."),
    ping: new Error("NOAUTH"),
    is: undefined,
  },
  {
    what: "the connection broke off",
    role: new Error("Connection is closed."),
    ping: new Error("Connection is closed."),
    is: "unreachable",
  },
];
for (const { what, role, ping = "PONG", is } of cases) {
  test(what, () => assert.equal(judge(role, ping)?.reason, is));
}
