/** python-socketio 5.13 with redis-py 5, as Open WebUI had them up to 0.6: pickle on one channel. */
import { compare } from "./harness/compare.js";
import { expectDeltas } from "./harness/expect.js";
import { pythonWorld } from "./harness/python.js";
import { burst, growing, tokenEvents, twoRooms } from "./scenarios/growing.js";
import { pythonScenarios } from "./scenarios/python.js";
import { writers } from "./scenarios/writers.js";

compare({
  plan: pythonWorld({ venv: "py-5.13-redis5", json: "stdlib", writers: true }),
  ways: { auto: { env: { KEYFRAME_FLEET: "auto" } } },
  scenarios: [...pythonScenarios, writers, growing, burst, tokenEvents, twoRooms],
  check: expectDeltas,
});
