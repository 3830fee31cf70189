import { ChevronDown, Sparkles, TextQuote } from 'lucide-react'
import { useEffect, useState } from 'react'
import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import { Menu, MenuLabel } from '../../components/ui/menu.tsx'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { ConnectModel } from './connect-model.tsx'
import { chosenModel, modelName } from './models.ts'

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
        <Choices chosen={chosen} onModel={onModel} onConnect={() => setConnecting(true)} />
      </Menu>
      <ConnectModel open={connecting} onClose={() => setConnecting(false)} />
    </>
  )
}

/** What only the open menu needs is fetched when it is opened; when it can't be, the page is broken (PageBoundary). */
function Choices(props: { chosen: string; onModel: (id: string) => void; onConnect: () => void }) {
  const [part, setPart] = useState<typeof import('./model-choices.tsx')>()
  useEffect(() => {
    import('./model-choices.tsx').then(setPart, (error: unknown) =>
      setPart(() => {
        throw error
      }),
    )
  }, [])
  if (part === undefined) return null
  return <part.ModelChoices {...props} />
}
