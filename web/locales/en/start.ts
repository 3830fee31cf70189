// Comes with its own page (lib/t.ts: addSentences).
export const start = {
  'start.title': 'Welcome to Terrace',
  'start.hint':
    'Terrace answers questions from your own documents and shows the passages it relies on. This is how to begin:',
  'start.documents': 'Put documents in',
  'start.documentsHint':
    'Make a collection and drop your files into it. Or have a look around with Terrace’s own documentation first.',
  'start.collection': 'New collection',
  'start.samples': 'Try it with sample documents',
  'start.samplesName': 'About Terrace',
  'start.samplesDescription': 'Terrace’s own documentation, to try things out.',
  'start.ask': 'Ask',
  'start.askHint': 'Every answer says where it comes from; a click opens the source at that place.',
  'start.askAction': 'Ask a question',
  'start.people': 'Bring your team',
  'start.peopleHint': 'Invite people by a link, then share collections with them.',
  'start.peopleAction': 'Invite someone',
} as const
