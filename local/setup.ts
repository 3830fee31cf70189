// The set-up steps of `npm start` and `npm test`. Each looks first whether there is anything to do.
import { type FaissResult, prepareFaiss } from './faiss/prepare.ts'
import { generateClient } from './generate.ts'
import { prepareWeights, type WeightsResult } from './models/prepare.ts'
import type { Settings } from './settings.ts'
import type { Step } from './steps.ts'
import { buildWeb } from './web-build.ts'

export interface SetupResult {
  faiss?: FaissResult
  weights?: WeightsResult
  modelDir?: string
  webDir?: string
}

export function setupSteps(settings: Settings, result: SetupResult): Step[] {
  return [
    {
      title: 'Database client',
      work: async (task) => {
        task.title = (await generateClient()) ? 'Database client: generated' : 'Database client'
      },
    },
    {
      title: 'Vector search (FAISS)',
      work: async (task) => {
        result.faiss = await prepareFaiss((line) => {
          task.output = line
        })
        task.title = `Vector search: ${result.faiss.title}`
      },
    },
    {
      title: 'Embedding model',
      work: async (task) => {
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
      work: async (task) => {
        const built = await buildWeb((line) => {
          task.output = line
        })
        result.webDir = built.dir
        task.title = built.fresh ? 'Web pages: built' : 'Web pages'
      },
    },
  ]
}
