// Comes with the search form (lib/t.ts: addSentences).
export const search = {
  'search.title': 'Search',
  'search.hint':
    'Finds passages by their meaning and by their words. Nothing is written, everything is quoted.',
  'search.label': 'Search your documents',
  'search.placeholder': 'What are you looking for?',
  'search.action': 'Search',
  'search.clear': 'Clear the search',
  'search.loading': 'Searching',
  'search.failed': 'The search failed.',
  'search.results': { one: '{count} passage', other: '{count} passages' },
  'search.resultsIn': {
    one: 'from {count} collection',
    other: 'from {count} collections',
  },
  'search.nothing': 'No passage was found',
  'search.nothingHint': 'Try other words, or search more collections.',
  'search.wordsOnly': 'Searched by words only',
  'search.wordsOnlyHint':
    'Meaning is not searched because the model that understands it is not installed. “npm run models” installs it.',
  'search.engineAwayHint': 'The search engine can not be used at the moment. Search again later.',
  'search.behind': 'The newest changes may be missing',
  'search.behindHint': 'This server is still reading them. Search again in a moment.',
  'search.meaning': 'Meaning',
  'search.words': 'Words',
  'search.fused': 'Together',
  'search.notMeasured': 'not measured',
  'search.withoutVector': 'found by words',
  'search.withoutVectorHint': 'This passage is new: its meaning is still being worked out.',
  'search.open': 'Open passage',
  'search.page': 'Page {page}',
} as const
