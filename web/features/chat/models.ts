import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import { t } from '../../lib/t.ts'
import type { Outputs } from '../../lib/trpc.ts'

export type ModelList = Outputs['models']['list']
export type Model = ModelList['models'][number]

/** No language model can be asked: answers are quoted passages. */
export function hasOnlyPassages(list: ModelList): boolean {
  return list.models.every((model) => model.id === PASSAGES_MODEL)
}

export function modelName(id: string, list: ModelList | undefined): string {
  if (id === PASSAGES_MODEL) return t('chat.modelPassages')
  return list?.models.find((model) => model.id === id)?.name ?? id
}

/** The model that a question goes to: the chat's own while it is offered, else the default. */
export function chosenModel(wanted: string | null, list: ModelList | undefined): string {
  if (wanted !== null && (list === undefined || list.models.some((model) => model.id === wanted)))
    return wanted
  return list?.defaultId ?? PASSAGES_MODEL
}
