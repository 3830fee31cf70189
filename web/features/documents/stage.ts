// What a document version is doing, in words and as a part of the whole.
import type { DocumentStage } from '../../../contract/stages.ts'
import { errorSentence, t } from '../../lib/t.ts'
import type { Outputs } from '../../lib/trpc.ts'

export type DocumentItem = Outputs['documents']['list']['items'][number]
export type Version = DocumentItem['version']

const OPEN: readonly DocumentStage[] = ['received', 'parsing', 'splitting', 'words']

/** Somebody is working on it, or will. */
export const isOpen = (version: Version): boolean => OPEN.includes(version.stage)

export const isDuplicate = (version: Version): boolean =>
  version.stage === 'attention' && version.error?.code === 'DUPLICATE'

/** One sentence for every state. */
export function stageText(version: Version): string {
  if (version.cancelling) return t('documentStage.cancelling')
  const { stage, pages, pagesParsed, passages, passagesEmbedded, error } = version
  if (stage === 'parsing' && pages !== null && pages > 1) {
    return t('documentStage.parsingPages', { done: Math.min(pages, pagesParsed + 1), total: pages })
  }
  if (stage === 'words' && passages !== null && passages > 0) {
    return t('documentStage.wordsPassages', { done: passagesEmbedded, total: passages })
  }
  if (stage === 'attention' && error !== null) {
    if (error.code !== 'DUPLICATE') return errorSentence(error.code, error.detail)
    const { name } = error.detail
    return typeof name === 'string' ? t('duplicate.same', { name }) : t('duplicate.sameHere')
  }
  return t(`documentStage.${stage}`)
}

/** How far the current stage is, 0 to 1; null: no one knows; undefined: no bar. */
export function stageProgress(version: Version): number | null | undefined {
  const { stage, pages, pagesParsed, passages, passagesEmbedded } = version
  if (stage === 'parsing') return pages === null || pages === 0 ? null : pagesParsed / pages
  if (stage === 'splitting') return null
  if (stage === 'words') return passages === null || passages === 0 ? null : passagesEmbedded / passages
  return undefined
}
