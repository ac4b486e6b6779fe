/**
 * The words of made answers: a seeded stream of tokens, cut roughly as a model cuts them, from passages that are hard on
 * encoders: code, quotes, markup, tables, backslashes, emoji with joiners, scripts beyond Latin, control characters.
 */

/** A small seeded generator (xorshift32): the same seed gives the same traffic everywhere. Values in [0, 1). */
export function random(seed: number): () => number {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 0x1_0000_0000;
  };
}

/** A made identifier such as `f81d4fae-7dec-41d0-a765-00a0c91e6bf6`. */
export function uuid(next: () => number): string {
  const hex = digits(next, 32);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/** `count` hexadecimal digits. */
export function digits(next: () => number, count: number): string {
  let hex = "";
  while (hex.length < count) hex += Math.floor(next() * 16).toString(16);
  return hex;
}

export type Topic = "prose" | "code" | "markup" | "scripts" | "emoji" | "escapes";
export const topics: readonly Topic[] = ["prose", "code", "markup", "scripts", "emoji", "escapes"];

const passages: Record<Topic, readonly string[]> = {
  prose: [
    "The queue grows when its readers are slower than its writers, and nothing in the writer tells you so. ",
    'She said: "measure it first", and for once nobody in the room had a better idea; so they measured. ',
    "A cache is a promise about time. Break the promise by a second and most readers never notice; break it by an hour and they call. ",
    "First, write down what must hold. Second, find out what breaks it. Third, only then, choose a data structure.\n\n",
    "It isn't the average that hurts, it's the tail: one request in a hundred, ten times slower, all day long. ",
  ],
  code: [
    "\n```python\ndef window(items, size):\n    for i in range(0, len(items), size):\n        yield items[i : i + size]\n```\n",
    '\n```ts\nconst byName = new Map<string, { id: number; tags: string[] }>();\nbyName.set("a\\"b", { id: 1, tags: [] });\n```\n',
    "\n```sql\nSELECT t.id, count(*) FILTER (WHERE t.done) AS done\nFROM tasks t WHERE t.name LIKE '%\\_%' GROUP BY 1;\n```\n",
    "\n```sh\ngrep -rnE '^[[:space:]]*(if|for)' src/ | awk -F: '{print $1}' | sort | uniq -c\n```\n",
    '\n```json\n{"path": "C:\\\\logs\\\\2024", "re": "^\\\\d+$", "nested": {"a": [1, 2, {"b": null}]}}\n```\n',
  ],
  markup: [
    "<table><tr><td>1 &lt; 2</td><td>&amp;c.</td></tr></table>\n",
    '<a href="https://example.org/?a=1&b=2" title=\'it "works"\'>a link</a> and <br/> ',
    '\n| step | time | note |\n|------|-----:|------|\n| parse | 3 ms | `<ok>` |\n| send | 12 ms | "twice" |\n\n',
    '<details type="note" done="true">\n<summary>Why</summary>\nBecause.\n</details>\n',
    "</script><script>alert('no')</script> ",
  ],
  scripts: [
    "夜の駅で、最後の電車を待つ人は三人だけだった。",
    "数据要先落盘,再回复客户端;顺序反了就会丢。",
    "Сначала измерь, потом исправляй; наоборот выходит дороже. ",
    "القياس قبل الإصلاح، وإلا ضاع الوقت. ",
    "पहले नापो, फिर सुधारो। ",
    "먼저 측정하고, 그다음에 고친다. ",
    "Größe, façade, naïveté, Øresund, Łódź, señal. ",
  ],
  emoji: ["🚀 done! ", "👩‍👩‍👧‍👦 ", "👍🏽 ok ", "🏳️‍🌈 ", "1️⃣ ", "🇨🇭🇯🇵 ", "✅ ⚠️ ❌ ", "𝒳 = 𝟙 "],
  escapes: [
    "\\\\server\\share\\new\\table ",
    'a "quote in a \'quote\' in a \\"quote\\"" ',
    "tab\there, \u00a0no-break, \u2028line, \u2029paragraph, \u0085next ",
    "bell \u0007 escape \u001b[31mred\u001b[0m delete \u007f ",
    "≈ 3.14159 × r², ∑ᵢ xᵢ ≤ ∞, E = mc² ",
    "\r\n- item\r\n  - sub-item\r\n",
  ],
};

/**
 * `count` tokens. `mix` names the topics to draw from (all by default). A token never splits a surrogate pair, but does
 * split joined emoji, words, escapes and runs of spaces.
 */
export function tokensOf(seed: number, count: number, mix: readonly Topic[] = topics): string[] {
  const next = random(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)] as T;
  const tokens: string[] = [];
  while (tokens.length < count) {
    // Prose is what most answers are made of; the rest is sprinkled over it.
    const topic = mix.includes("prose") && next() < 0.4 ? "prose" : pick(mix);
    const passage = [...pick(passages[topic])];
    for (let at = 0; at < passage.length && tokens.length < count; ) {
      // About 4.5 characters, 5.4 bytes of JSON, as in the recordings; many short ones, a few long.
      const length = 1 + Math.floor(next() * next() * 16);
      tokens.push(passage.slice(at, at + length).join(""));
      at += length;
    }
  }
  return tokens;
}
