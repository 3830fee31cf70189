// What the open model selector says of each model. Comes when it is first opened (lib/t.ts: addSentences).
export const models = {
  'models.passages': 'Quotes from your documents, word for word',
  'models.default': 'Default',
  'models.context': '{context} tokens of context',
  'models.answer': 'answers up to {answer} tokens',
  'models.both': '{context} tokens of context, answers up to {answer}',
  'models.price': '{input} in, {output} out per million tokens',
  'models.free': 'free of charge',
  'models.perMinute': { one: '{count} request a minute', other: '{count} requests a minute' },
  'models.not-listed': 'Its server does not list it. It may answer all the same.',
  'models.busy': 'Busy at the moment.',
  'models.allowance-used': 'Its allowance for today is used up.',
  'models.refused-key': 'Its server refuses the key that Terrace has for it.',
  'models.unreachable': 'It can not be reached at the moment.',
  'models.retired': 'Its provider no longer offers it.',
} as const
