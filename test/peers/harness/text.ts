/** Text such as a model writes: prose, code, quotes, HTML, several scripts, emoji. The same tokens in every run. */

const phrases = [
  "The trade-off is simple: ",
  "a lock is cheap, ",
  "waiting for it is not.\n\n",
  "```python\ndef merge(a, b):\n",
  '    """Merge two \\"sorted\\" lists."""\n',
  "    return sorted(a + b)\n```\n",
  '<details type="reasoning">\n<summary>Thought</summary>\n',
  "&gt; quoted &amp; escaped\n</details>\n",
  "これは日本語の文章です。",
  "Ελληνικά και עברית, ",
  "😀👩‍👩‍👧‍👦🏳️‍🌈 ",
  "naïve café, ",
  "tab\there, null-like \u0001 and \u2028 ",
  "| a | b |\n|---|---|\n| 1 | 2 |\n",
  "so ",
  "it ",
  "is. ",
];

/** `count` tokens, mixed in a fixed but irregular order; `seed` gives another order. */
export function tokens(count: number, seed = 1): string[] {
  const list: string[] = [];
  let state = seed * 2654435761;
  for (let index = 0; index < count; index++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    list.push(phrases[(state >>> 16) % phrases.length] ?? "");
  }
  return list;
}

/** A UUID-like identifier made from words, the same in every run. */
export function uuid(number: number): string {
  const hex = (number * 2654435761).toString(16).padStart(12, "0").slice(-12);
  return `5de5${hex.slice(0, 4)}-43ca-412b-84d0-${hex}`;
}
