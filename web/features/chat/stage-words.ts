import type { DocumentStage } from '../../../contract/stages.ts'
import { t } from '../../lib/t.ts'

export interface StagedVersion {
  readonly stage: DocumentStage
  readonly pages: number | null
  readonly pagesParsed: number
  readonly passages: number | null
  readonly passagesEmbedded: number
}

const ENDED: ReadonlySet<DocumentStage> = new Set(['searchable', 'attention', 'cancelled'])

export function isWorking(item: { readonly version: StagedVersion }): boolean {
  return !ENDED.has(item.version.stage)
}

/** How far a document is, with counts where they are known. */
export function stageWords({ stage, pages, pagesParsed, passages, passagesEmbedded }: StagedVersion): string {
  if (stage === 'parsing' && pages !== null && pages > 0) {
    return t('stage.parsingPages', { page: Math.min(pages, pagesParsed + 1), pages })
  }
  if (stage === 'words' && passages !== null && passages > 0) {
    return t('stage.wordsCount', { done: passagesEmbedded, all: passages })
  }
  return t(`stage.${stage}`)
}
