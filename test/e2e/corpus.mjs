// The text the scripted model answers with: code, quotes, HTML, emoji and many scripts, because the ways in which a
// frame is escaped (\uXXXX, \", &lt;) are where a delta can break. Pure and deterministic: the same number gives
// the same tokens in every run.

/** Marks where a tokenizer would cut; a flag or a sequence of joined emoji may be spread over several tokens. */
const CUT = "¦";

const PASSAGES = [
  "Sure¦!¦ Here¦ is¦ how¦ a¦ delta¦ works¦:¦ only¦ the¦ *new*¦ text¦ travels¦.¦\n\n",
  '```¦python¦\n¦def¦ greet¦(name¦:¦ str¦)¦ ->¦ str¦:\n¦    ¦return f"¦Hello, {name}!\\n"¦\n¦```¦\n\n',
  'He said: "¦It\'s¦ \\"fine\\"¦", ¦and¦ `echo¦ \'a b\'¦`¦ gave¦ C:\\\\temp¦\\new¦.¦\n',
  '<div¦ class="note¦">¦<b>¦5 < 6¦ &&¦ 7 > 3¦</b>¦ &amp;¦ &nbsp;¦</div>¦\n\n',
  "Das¦ heißt¦ größer¦ als¦ üblich¦;¦ ça¦ dépend¦ où¦ l’on¦ naît¦ — ¦señor¦.¦ ",
  "Привет¦,¦ это¦ рас¦тущее¦ сооб¦щение¦.¦ ",
  "这¦是¦一个¦增量¦消息¦，¦逐字¦增长¦。¦日本語¦の¦テキスト¦も¦あります¦。¦\n",
  "مرحبا¦ بالعالم¦،¦ هذا¦ نص¦ ¦שלום¦ עולם¦ ¦नमस्ते¦ दुनिया¦ ¦한국어¦ 문장¦.¦\n",
  "👍¦ 🎉¦👩¦\u200d¦👩¦\u200d¦👧¦ 🇩¦🇪¦ e\u0301¦ 🧑🏽¦\u200d🚀¦ 𝒳¦²¦ ≤ ∞¦\n\n",
  "| a¦ | b¦ |\n¦|--¦-|-¦--|\n¦| `1`¦ | ~2~¦ |\n\n¦1.¦ first\n¦2.¦ second¦\n\n¦- [x]¦ done¦\n",
  '\t¦{"key"¦: ["¦va\\u006cue¦", null¦, 1e-9¦]}¦\r\n¦<!-- x¦ -->¦%20¦$HOME¦ $$x^2$$¦\u2028¦ end¦.\n',
  "aaaaaaaa¦aaaaaaaa¦ the¦ the¦ the¦ same¦ same¦ again¦ and¦ again¦,¦ again¦ and¦ again¦.¦\n\n",
].map((passage) => passage.split(CUT));

/** The tokens of answer number `seed`, exactly `count` of them. */
export function tokensOf(seed, count) {
  const tokens = [];
  // A small linear congruential generator: the order of the passages differs from answer to answer.
  let state = (seed * 2654435761 + 12345) >>> 0;
  while (tokens.length < count) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    tokens.push(`[${seed}.${tokens.length}]`, ...PASSAGES[(state >>> 16) % PASSAGES.length]);
  }
  tokens.length = count;
  return tokens;
}

/** The answer as a reader sees it in the end. Open WebUI strips white space from both ends of a message. */
export function textOf(seed, count) {
  return tokensOf(seed, count).join("").trim();
}
