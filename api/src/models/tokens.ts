// How many tokens a text may be, without the model's own tokenizer: an upper bound that holds for the densest
// hundredth of English passages (2.9 letters a token); writing without an alphabet is a token a character.
const LETTERS_PER_TOKEN = 2.8
const DENSE =
  /[\u2E80-\u9FFF\uA000-\uA4CF\uAC00-\uD7AF\uF900-\uFAFF\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF]|[\u{1F000}-\u{3FFFF}]/gu

export function estimateTokens(text: string): number {
  const dense = text.match(DENSE)?.length ?? 0
  return Math.ceil((text.length - dense) / LETTERS_PER_TOKEN) + dense
}
