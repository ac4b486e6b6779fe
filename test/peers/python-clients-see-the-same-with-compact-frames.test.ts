/** The newest python-socketio and redis-py (hiredis parser), with JSON as orjson writes it, on one channel. */
import { compare } from "./harness/compare.js";
import { expectDeltas } from "./harness/expect.js";
import { pythonWorld } from "./harness/python.js";
import { burst, growing, tokenEvents, twoRooms } from "./scenarios/growing.js";
import { pythonScenarios } from "./scenarios/python.js";
import { writers } from "./scenarios/writers.js";

compare({
  plan: pythonWorld({ venv: "py-new-redis8", json: "compact", writers: true }),
  ways: { auto: { env: { KEYFRAME_FLEET: "auto" } } },
  scenarios: [...pythonScenarios, writers, growing, burst, tokenEvents, twoRooms],
  check: expectDeltas,
});
