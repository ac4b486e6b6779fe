/**
 * The users whose sessions this pod has seen, in a file that outlives the sidecar's process but not its pod: sockets stay
 * open while a sidecar is started anew, and nobody writes their sessions again.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** When each user's session was written last, by id; milliseconds since 1970. */
export type SeenUsers = Map<string, number>;

/** Lines that a small list may have beyond twice its users. */
const SPARE_LINES = 1_000;

export class RoomStore {
  readonly #file: string;
  /** Stands there where the list is not to be trusted any more. */
  readonly #spoilt: string;
  #lines = 0;

  /** @param directory as long-lived as the app that it speaks of: in a pod, an emptyDir */
  constructor(directory: string) {
    this.#file = join(directory, "users");
    this.#spoilt = join(directory, "users-unknown");
  }

  /**
   * @param since users that were seen before that are forgotten
   * @throws Error, also what the file system says: nothing is known then, and whoever asks must assume everything
   */
  load(since: number): SeenUsers {
    if (existsSync(this.#spoilt)) throw new Error("an earlier process could not keep them");
    const seen: SeenUsers = new Map();
    for (const line of this.#read()) {
      // The last line may have been cut off with its process; its session was not answered then.
      const space = line.indexOf(" ");
      const at = Number(line.slice(0, space));
      if (space < 0 || !Number.isFinite(at)) throw new Error("not a list of users");
      const id: unknown = JSON.parse(line.slice(space + 1));
      if (typeof id !== "string") throw new Error("not a list of users");
      if (at >= since) seen.set(id, at);
    }
    mkdirSync(join(this.#file, ".."), { recursive: true });
    this.write(seen);
    return seen;
  }

  /** @throws what the file system says */
  add(id: string, at: number): void {
    appendFileSync(this.#file, lineOf(id, at));
    this.#lines++;
  }

  /** True where most lines of the file have been said again by later ones. */
  overgrown(users: number): boolean {
    return this.#lines > 2 * users + SPARE_LINES;
  }

  /** Writes the list anew. @throws what the file system says */
  write(seen: SeenUsers): void {
    const fresh = `${this.#file}.new`;
    writeFileSync(fresh, [...seen].map(([id, at]) => lineOf(id, at)).join(""), { mode: 0o600 });
    renameSync(fresh, this.#file);
    this.#lines = seen.size;
  }

  /** Nobody may trust the list from now on, a later process neither. @throws what the file system says */
  spoil(): void {
    if (existsSync(this.#file)) renameSync(this.#file, this.#spoilt);
    else writeFileSync(this.#spoilt, "");
  }

  #read(): string[] {
    try {
      const text = readFileSync(this.#file, "utf8");
      return text
        .slice(0, text.lastIndexOf("\n") + 1)
        .split("\n")
        .filter((line) => line !== "");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }
}

function lineOf(id: string, at: number): string {
  return `${at} ${JSON.stringify(id)}\n`;
}
