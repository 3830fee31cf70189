// The set-up steps of `npm start` and `npm test`. Each looks first whether there is anything to do.
import type { ListrTask } from 'listr2'
import { type FaissResult, prepareFaiss } from './faiss/prepare.ts'
import { generateClient } from './generate.ts'
import { prepareWeights, type WeightsResult } from './models/prepare.ts'
import type { Settings } from './settings.ts'
import { buildWeb } from './web-build.ts'

export interface SetupResult {
  faiss?: FaissResult
  weights?: WeightsResult
  modelDir?: string
  webDir?: string | null
}

export function setupTasks(settings: Settings, result: SetupResult): ListrTask[] {
  return [
    {
      title: 'Database client',
      task: async (_, task) => {
        task.title = (await generateClient()) ? 'Database client: generated' : 'Database client'
      },
    },
    {
      title: 'Vector search (FAISS)',
      task: async (_, task) => {
        result.faiss = await prepareFaiss((line) => {
          task.output = line
        })
        task.title = `Vector search: ${result.faiss.title}`
      },
    },
    {
      title: 'Embedding model',
      task: async (_, task) => {
        const weights = await prepareWeights(settings.home, (line) => {
          task.output = line
        })
        result.weights = weights
        result.modelDir = weights.modelDir
        task.title = `Embedding model: ${weights.title}`
      },
    },
    {
      title: 'Web pages',
      task: async (_, task) => {
        const built = await buildWeb((line) => {
          task.output = line
        })
        result.webDir = built.dir
        task.title = built.fresh ? 'Web pages: built' : 'Web pages'
      },
    },
  ]
}
