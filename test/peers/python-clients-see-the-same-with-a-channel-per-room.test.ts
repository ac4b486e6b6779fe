/** A channel per room, heard only where the room has members and joined with a PONG, as Open WebUI 0.12.3 does it. */
import { compare } from "./harness/compare.js";
import { expectDeltas } from "./harness/expect.js";
import { pythonWorld } from "./harness/python.js";
import { burst, growing, lateEntry, tokenEvents, twoRooms } from "./scenarios/growing.js";
import { calls, clientsTalk, repeats, smallEvents } from "./scenarios/python.js";

compare({
  plan: pythonWorld({ venv: "py-new-redis8", json: "compact", rooms: "exact" }),
  ways: { auto: { env: { KEYFRAME_FLEET: "auto" } } },
  scenarios: [smallEvents, repeats, calls, clientsTalk, growing, burst, tokenEvents, twoRooms, lateEntry],
  check: expectDeltas,
});
