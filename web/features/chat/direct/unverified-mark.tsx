import { ShieldQuestionMark } from 'lucide-react'
import type { ComponentProps } from 'react'
import { Badge } from '../../../components/ui/badge.tsx'
import { Popover } from '../../../components/ui/popover.tsx'
import { Tooltip } from '../../../components/ui/tooltip.tsx'
import { addSentences, t } from '../../../lib/t.ts'
import { direct } from '../../../locales/en/direct.ts'

addSentences(direct)

/** What is known of an answer's text by a page's word only; why that matters on hover, focus and tap. */
export default function UnverifiedMark() {
  return (
    <Popover
      role="dialog"
      label={t('direct.unverified')}
      className="max-w-80 px-4 py-3 text-sm"
      trigger={<Mark />}
    >
      {() => <p>{t('direct.unverifiedText')}</p>}
    </Popover>
  )
}

function Mark(props: ComponentProps<'button'>) {
  return (
    <Tooltip text={t('direct.unverifiedText')}>
      <button type="button" {...props} data-answer-unverified className="inline-flex rounded-full">
        <Badge tone="warn" icon={<ShieldQuestionMark aria-hidden className="size-3.5" />}>
          {t('direct.unverified')}
        </Badge>
      </button>
    </Tooltip>
  )
}
