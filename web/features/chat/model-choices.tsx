// What stands in the open model selector.
import { CircleHelp } from 'lucide-react'
import { MenuItem, MenuSeparator } from '../../components/ui/menu.tsx'
import { MenuChoices } from '../../components/ui/menu-choices.tsx'
import { t } from '../../lib/t.ts'
import { trpc } from '../../lib/trpc.ts'
import { describeModel } from './model-words.ts'
import { hasOnlyPassages, modelName } from './models.ts'

/** Milliseconds. Models that were looked at when the menu opened are seen as they are while it is open. */
const LOOK_AGAIN = 3_000

interface Props {
  chosen: string
  onModel: (id: string) => void
  /** A person wants to know how to connect a language model. */
  onConnect: () => void
}

export function ModelChoices({ chosen, onModel, onConnect }: Props) {
  // There only while the menu is open: opening it asks anew.
  const list = trpc.models.list.useQuery(undefined, { refetchOnMount: 'always', refetchInterval: LOOK_AGAIN })
  const choices = (list.data?.models ?? []).map((candidate) => ({
    value: candidate.id,
    label: modelName(candidate.id, list.data),
    disabled: !candidate.available,
    ...describeModel(candidate, candidate.id === list.data?.defaultId),
  }))
  return (
    <>
      {list.isError && (
        <p className="max-w-64 px-2.5 py-1.5 text-sm text-danger">{t('chat.modelsUnknown')}</p>
      )}
      <MenuChoices label={t('chat.model')} value={chosen} choices={choices} onChange={onModel} />
      {list.data !== undefined && hasOnlyPassages(list.data) && (
        <>
          <MenuSeparator />
          <MenuItem icon={<CircleHelp className="size-4" />} onSelect={onConnect}>
            {t('chat.connectTitle')}
          </MenuItem>
        </>
      )}
    </>
  )
}
