/** Rooms heard by pattern, as Open WebUI 0.12.0 does it: raw until the operator declares that all pods have sidecars. */
import { compare } from "./harness/compare.js";
import { expectDeltasIfUniform } from "./harness/expect.js";
import { pythonWorld } from "./harness/python.js";
import { burst, growing, lateEntry, tokenEvents, twoRooms } from "./scenarios/growing.js";
import { calls, smallEvents } from "./scenarios/python.js";

compare({
  plan: pythonWorld({ venv: "py-5.16-redis7", json: "compact", rooms: "pattern" }),
  ways: { auto: { env: { KEYFRAME_FLEET: "auto" } }, uniform: { env: { KEYFRAME_FLEET: "uniform" } } },
  scenarios: [smallEvents, calls, growing, burst, tokenEvents, twoRooms, lateEntry],
  check: expectDeltasIfUniform,
});
