/** All scenes by name, and the time that each needs. */
import { bytes } from "./bytes.js";
import type { Goal } from "./figures.js";
import { growth } from "./growth.js";
import { idleWorkers } from "./idle-workers.js";
import { load } from "./load.js";
import { memory } from "./memory.js";
import type { Say, SceneOptions } from "./turns.js";

/** Closes all that it has opened, whatever happens; its result is plain JSON. */
export type Scene = (options: SceneOptions, say: Say) => Promise<{ scene: string; goals: Goal[] }>;

export const scenes = { load, "idle-workers": idleWorkers, bytes, growth, memory } satisfies Record<string, Scene>;
export type SceneName = keyof typeof scenes;

/** Seconds of each in a whole run of 12 minutes. */
export const shares: Record<SceneName, number> = { load: 335, "idle-workers": 70, bytes: 80, growth: 140, memory: 95 };
