/** Node Socket.IO servers, @socket.io/redis-adapter over ioredis: raw by default, deltas in a declared uniform fleet. */
import { compare } from "./harness/compare.js";
import { expectDeltasIfUniform } from "./harness/expect.js";
import { nodeWorld } from "./harness/node.js";
import { burst, growing } from "./scenarios/growing.js";
import { nodeScenarios } from "./scenarios/node.js";

compare({
  plan: nodeWorld("ioredis"),
  ways: { auto: { env: { KEYFRAME_FLEET: "auto" } }, uniform: { env: { KEYFRAME_FLEET: "uniform" } } },
  scenarios: [...nodeScenarios, growing, burst],
  check: expectDeltasIfUniform,
});
