/** Every section of `npm run bench`, in the order in which they run. */
import { answerGrowth } from "./answer-growth.js";
import { codec } from "./codec.js";
import { failover } from "./failover.js";
import { fleetSections } from "./fleet.js";
import { oneAnswer } from "./one-answer.js";
import { proxy } from "./proxy.js";
import type { AnySection } from "./section.js";

export const sections: readonly AnySection[] = [oneAnswer, answerGrowth, ...fleetSections, proxy, codec, failover];
