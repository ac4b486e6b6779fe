/**
 * Keeps credentials out of whatever a person may read: errors, the effective configuration, log lines.
 * The first line of defence is that unparsed URLs are never shown at all; what is here is the second.
 */

export const HIDDEN = "***";

// From the scheme to the last `@` of the word: a password that nobody escaped may hold `/`, `?`, `#` and `@` itself.
const credentials = /([a-z][a-z0-9+.-]*:\/\/)\S*@/gi;

/** Text with the user part of every URL in it replaced by `***`. */
export function redactUrls(text: string): string {
  return text.replace(credentials, `$1${HIDDEN}@`);
}

/** Percent-encodes like encodeURIComponent, which throws on half a surrogate pair; here it becomes U+FFFD. */
export function percentEncode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\ufffd"));
}

const LONGEST_SHOWN = 80;

/** A value as an error message shows it: quoted, without URL credentials, control characters escaped, bounded in length. */
export function shownValue(text: string): string {
  const clean = redactUrls(text);
  return JSON.stringify(clean.length > LONGEST_SHOWN ? `${clean.slice(0, LONGEST_SHOWN)}…` : clean);
}

// Replacing every "a" of a log line hides nothing; a secret this short is no secret.
const SHORTEST_SCRUBBED = 4;

/**
 * A function that removes the given secrets from a text, as they are and percent-encoded, as well as the credentials
 * of any URL. Secrets shorter than 4 characters are left to the rules by field name.
 */
export function scrubber(secrets: readonly (string | undefined)[]): (text: string) => string {
  const needles = new Set<string>();
  for (const secret of secrets) {
    if (secret === undefined || secret.length < SHORTEST_SCRUBBED) continue;
    needles.add(secret);
    needles.add(percentEncode(secret));
  }
  // Longest first, so that a secret which contains another is replaced as a whole.
  const ordered = [...needles].sort((a, b) => b.length - a.length);
  return (text) => {
    // URLs last: cutting one out could leave a piece of a secret that reaches beyond it.
    let clean = text;
    for (const needle of ordered) if (clean.includes(needle)) clean = clean.replaceAll(needle, HIDDEN);
    return redactUrls(clean);
  };
}
