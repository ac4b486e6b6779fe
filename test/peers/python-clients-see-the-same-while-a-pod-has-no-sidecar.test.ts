/** A fleet in the middle of its roll-out: pod B still talks to the server itself, and understands raw frames only. */
import { compare } from "./harness/compare.js";
import { expectRaw } from "./harness/expect.js";
import { pythonWorld } from "./harness/python.js";
import { burst, growing, twoRooms } from "./scenarios/growing.js";
import { calls, manyCalls, roomsAcrossPods, smallEvents } from "./scenarios/python.js";

compare({
  plan: pythonWorld({ venv: "py-5.16-redis7", json: "stdlib" }),
  ways: { mixed: { env: {}, without: "B" } },
  scenarios: [smallEvents, roomsAcrossPods, calls, manyCalls, growing, burst, twoRooms],
  check: expectRaw,
});
