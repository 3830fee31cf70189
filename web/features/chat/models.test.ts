import { expect, test } from 'vitest'
import { chosenModel, hasOnlyPassages, type ModelList, modelName } from './models.ts'

const passages = {
  id: 'passages',
  name: 'Passages',
  provider: 'terrace',
  contextTokens: null,
  price: null,
  direct: false,
  available: true,
}
const llama = {
  id: 'ollama/llama3.2',
  name: 'Llama 3.2',
  provider: 'ollama',
  contextTokens: 8192,
  price: null,
  direct: false,
  available: false,
}
const both: ModelList = { models: [passages, llama], defaultId: llama.id }

test('the chat’s model is asked while it is offered, then the default', () => {
  expect(chosenModel('passages', both)).toBe('passages')
  expect(chosenModel('retired', both)).toBe(llama.id)
  expect(chosenModel(null, both)).toBe(llama.id)
  expect(chosenModel(null, undefined)).toBe('passages')
  expect(chosenModel('ollama/llama3.2', undefined)).toBe('ollama/llama3.2')
})

test('a model that is not reachable still counts as configured', () => {
  expect(hasOnlyPassages(both)).toBe(false)
  expect(hasOnlyPassages({ models: [passages], defaultId: 'passages' })).toBe(true)
})

test('names', () => {
  expect(modelName('passages', both)).toBe('Most relevant passages')
  expect(modelName('ollama/llama3.2', both)).toBe('Llama 3.2')
  expect(modelName('gone', both)).toBe('gone')
})
