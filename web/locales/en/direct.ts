// Comes with answers straight from the model endpoint, not with every chat (lib/t.ts: addSentences).
export const direct = {
  'direct.streaming': 'Straight from the model to this page. Closing or reloading the page ends the answer.',
  'direct.fallback':
    'The model endpoint did not answer this page, so the server passes the answer on. It goes on even when this page is closed.',
  'direct.unverified': 'Not verified',
  'direct.unverifiedText':
    'This text came without a receipt of the model endpoint, so it could not be checked. It is not used for follow-up questions and can not be shared. Ask again for an answer that is checked.',
} as const
