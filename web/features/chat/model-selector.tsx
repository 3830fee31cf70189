import { ChevronDown, CircleHelp, Sparkles, TextQuote } from 'lucide-react'
import { useState } from 'react'
import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import { Menu, MenuChoices, MenuItem, MenuLabel, MenuSeparator } from '../../components/ui/menu.tsx'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { ConnectModel } from './connect-model.tsx'
import { chosenModel, hasOnlyPassages, modelName } from './models.ts'

interface Props {
  /** Null: the installation's default. */
  model: string | null
  onModel: (id: string) => void
}

export function ModelSelector({ model, onModel }: Props) {
  const [connecting, setConnecting] = useState(false)
  const list = trpc.models.list.useQuery()
  const chosen = chosenModel(model, list.data)
  const Icon = chosen === PASSAGES_MODEL ? TextQuote : Sparkles
  const choices = (list.data?.models ?? []).map((candidate) => ({
    value: candidate.id,
    label: modelName(candidate.id, list.data),
    description:
      candidate.id === PASSAGES_MODEL
        ? t('chat.modelPassagesHint')
        : candidate.available
          ? candidate.provider
          : `${candidate.provider}, ${t('chat.modelUnavailable')}`,
    disabled: !candidate.available,
  }))
  return (
    <>
      <Menu
        trigger={
          <button
            type="button"
            aria-label={`${t('chat.model')}: ${modelName(chosen, list.data)}`}
            className="inline-flex h-8 min-w-0 shrink items-center gap-1.5 rounded-lg px-2 text-sm text-ink-soft transition-colors hover:bg-hover hover:text-ink data-[state=open]:bg-hover data-[state=open]:text-ink"
          >
            <Icon aria-hidden className="size-4 shrink-0" />
            <span className="hidden truncate sm:inline">{modelName(chosen, list.data)}</span>
            <ChevronDown aria-hidden className="size-3.5 shrink-0" />
          </button>
        }
      >
        <MenuLabel>{t('chat.model')}</MenuLabel>
        {list.isError && (
          <p className="max-w-64 px-2.5 py-1.5 text-sm text-danger">{t('chat.modelsUnknown')}</p>
        )}
        <MenuChoices label={t('chat.model')} value={chosen} choices={choices} onChange={onModel} />
        {list.data !== undefined && hasOnlyPassages(list.data) && (
          <>
            <MenuSeparator />
            <MenuItem icon={<CircleHelp className="size-4" />} onSelect={() => setConnecting(true)}>
              {t('chat.connectTitle')}
            </MenuItem>
          </>
        )}
      </Menu>
      <ConnectModel open={connecting} onClose={() => setConnecting(false)} />
    </>
  )
}
