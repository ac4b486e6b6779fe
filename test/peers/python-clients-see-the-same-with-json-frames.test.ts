/** python-socketio 5.16 with redis-py 7, as Open WebUI had them up to 0.11: JSON of the standard library on one channel. */
import { compare } from "./harness/compare.js";
import { expectDeltas } from "./harness/expect.js";
import { pythonWorld } from "./harness/python.js";
import { burst, growing, tokenEvents, twoRooms } from "./scenarios/growing.js";
import { pythonScenarios } from "./scenarios/python.js";
import { writers } from "./scenarios/writers.js";

compare({
  plan: pythonWorld({ venv: "py-5.16-redis7", json: "stdlib", writers: true }),
  ways: { auto: { env: { KEYFRAME_FLEET: "auto" } } },
  scenarios: [...pythonScenarios, writers, growing, burst, tokenEvents, twoRooms],
  check: expectDeltas,
});
