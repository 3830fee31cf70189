// Comes with its dialog, not with every page (lib/t.ts: addSentences).
export const connectModel = {
  'connect.ollama': 'On this machine',
  'connect.ollamaText': 'Start Ollama with any model. Terrace finds it by itself, within a minute:',
  'connect.other': 'Any OpenAI-compatible service',
  'connect.otherText': 'Start Terrace with its address, name and key:',
  'connect.done': 'Close',
  'connect.copy': 'Copy',
} as const
