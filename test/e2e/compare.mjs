// Comparing what two tabs, or two runs, have seen. Pure.

/** A copy that 0.12 sends to the room of a chat for other people who look at it. */
export function isShared(event) {
  return event.json.includes('"shared":true');
}

/** A frame that holds the whole text so far and is not the last: a newer one may take its place in a sidecar's queue. */
function mayBeSuperseded(event) {
  const whole = typeof event.data?.content === "string" || Array.isArray(event.data?.output);
  return event.type === "chat:completion" && whole && event.data.done !== true;
}

/**
 * Compares the events due with those that came, byte for byte (as JSON) and in order.
 *
 * @returns {{ problem: string | undefined, figures: { equal: boolean, superseded: number } }} no problem when they are
 *   equal, or when all that is missing are whole texts that a newer whole text followed (counted as superseded)
 */
export function compareSequences(due, came) {
  let next = 0;
  let superseded = 0;
  for (const event of due) {
    if (next < came.length && came[next].json === event.json) {
      next++;
    } else if (mayBeSuperseded(event)) {
      superseded++;
    } else {
      const got = came[next]?.json.slice(0, 300) ?? "nothing";
      return {
        problem: `after ${next} of ${due.length}: due ${event.json.slice(0, 300)}, came ${got}`,
        figures: bad(),
      };
    }
  }
  if (next < came.length) {
    const surplus = came.length - next;
    return { problem: `${surplus} more than were due, first ${came[next].json.slice(0, 300)}`, figures: bad() };
  }
  return { problem: undefined, figures: { equal: superseded === 0, superseded } };
}

function bad() {
  return { equal: false, superseded: 0 };
}

/**
 * The events of one chat without what differs from run to run: ids that the server makes up, and the snapshots for
 * other people, which 0.12 sends by the clock.
 *
 * @returns {string[]}
 */
export function normalise(events, chat) {
  const names = new Map();
  const name = (id) => {
    if (!names.has(id)) names.set(id, `id-${names.size}`);
    return names.get(id);
  };
  return events
    .filter((event) => !isShared(event))
    .map((event) =>
      event.json
        .replaceAll(chat.chatId, "chat")
        .replace(/\b(msg|rs|fc|r)_[0-9a-f]{16,}|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, name),
    );
}

/** Where two normalised sequences part, as a sentence; undefined when they are equal. */
export function firstDifference(one, other) {
  const length = Math.max(one.length, other.length);
  for (let i = 0; i < length; i++) {
    if (one[i] !== other[i]) {
      return `event ${i} of ${one.length} and ${other.length}: ${part(one[i], other[i])} against ${part(other[i], one[i])}`;
    }
  }
  return undefined;
}

function part(text = "nothing", against = "nothing") {
  let at = 0;
  while (at < text.length && text[at] === against[at]) at++;
  return text.slice(Math.max(0, at - 60), at + 120);
}
