/** Node Socket.IO servers, the sharded adapter of @socket.io/redis-adapter over ioredis: its channels pass one to one. */
import { compare } from "./harness/compare.js";
import { expectRaw } from "./harness/expect.js";
import { nodeWorld } from "./harness/node.js";
import { burst, growing } from "./scenarios/growing.js";
import { nodeScenarios } from "./scenarios/node.js";

compare({
  plan: nodeWorld("ioredis", "sharded"),
  ways: { auto: { env: {} } },
  scenarios: [...nodeScenarios, growing, burst],
  check: expectRaw,
});
