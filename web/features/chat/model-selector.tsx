import { ChevronDown, CircleHelp, Sparkles, TextQuote } from 'lucide-react'
import { useEffect, useState } from 'react'
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
  return (
    <>
      <Menu
        align="start"
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
        <Choices chosen={chosen} onModel={onModel} />
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

/** Milliseconds. Models that were looked at when the menu opened are seen as they are while it is open. */
const LOOK_AGAIN = 3_000

function Choices({ chosen, onModel }: { chosen: string; onModel: (id: string) => void }) {
  // There only while the menu is open: opening it asks anew.
  const list = trpc.models.list.useQuery(undefined, { refetchOnMount: 'always', refetchInterval: LOOK_AGAIN })
  const [words, setWords] = useState<typeof import('./model-words.ts') | null>(null)
  useEffect(() => {
    // Names and providers are there at once; without the rest, one can choose all the same.
    import('./model-words.ts').then(setWords, () => {})
  }, [])
  const choices = (list.data?.models ?? []).map((candidate) => ({
    value: candidate.id,
    label: modelName(candidate.id, list.data),
    description: candidate.id === PASSAGES_MODEL ? t('chat.modelPassagesHint') : candidate.provider,
    disabled: !candidate.available,
    ...words?.describeModel(candidate, candidate.id === list.data?.defaultId),
  }))
  return (
    <>
      {list.isError && (
        <p className="max-w-64 px-2.5 py-1.5 text-sm text-danger">{t('chat.modelsUnknown')}</p>
      )}
      <MenuChoices label={t('chat.model')} value={chosen} choices={choices} onChange={onModel} />
    </>
  )
}
