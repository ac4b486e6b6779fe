/** Waiting with a deadline: for a condition that only polling can see, and for a promise. */

/** Polls `check` until it returns something truthy; throws with `what` after `deadlineMs`. Errors of `check` count as "not yet". */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  deadlineMs = 10_000,
  everyMs = 10,
): Promise<NonNullable<T>> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      last = await check();
      if (last) return last as NonNullable<T>;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${deadlineMs} ms; last seen: ${String(last)}`, { cause: last });
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Rejects with `what` when the promise has not settled after `deadlineMs`. */
export function within<T>(what: string, promise: Promise<T>, deadlineMs = 10_000): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: not within ${deadlineMs} ms`)), deadlineMs);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
