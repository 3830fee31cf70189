import { Check } from 'lucide-react'
import { use, useEffect, useRef } from 'react'
import { cx } from '../../lib/cx.ts'
import { CloseContext, ITEM } from './menu.tsx'

export interface MenuChoice {
  value: string
  label: string
  /** Beside the label, as a badge. */
  note?: string | undefined
  description?: string
  /** Quieter still, below it, a line each. */
  details?: readonly string[] | undefined
  /** Can be chosen, though it is not advised. */
  faded?: boolean | undefined
  disabled?: boolean
}

/** One of several: the chosen one is ticked. */
export function MenuChoices({
  label,
  value,
  choices,
  onChange,
}: {
  label: string
  value: string
  choices: readonly MenuChoice[]
  onChange: (value: string) => void
}) {
  const close = use(CloseContext)
  const group = useRef<HTMLDivElement>(null)
  const isThere = choices.length > 0
  useEffect(() => {
    // The menu may have been opened before they were there, and holds the focus itself.
    const menu = group.current?.closest('[role="menu"]')
    if (!isThere || menu == null || document.activeElement !== menu) return
    const chosen = menu.querySelector<HTMLElement>('[aria-checked="true"]:not([aria-disabled="true"])')
    const first = chosen ?? menu.querySelector<HTMLElement>('[role^="menuitem"]:not([aria-disabled="true"])')
    first?.focus({ preventScroll: true })
  }, [isThere])
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset has no place in a menu
    <div ref={group} role="group" aria-label={label}>
      {choices.map((choice) => (
        <button
          key={choice.value}
          type="button"
          role="menuitemradio"
          tabIndex={-1}
          aria-checked={choice.value === value}
          aria-disabled={choice.disabled || undefined}
          onClick={() => {
            if (choice.disabled) return
            close()
            onChange(choice.value)
          }}
          className={cx(ITEM, 'items-start')}
        >
          <span className="mt-0.5 size-4 shrink-0">
            {choice.value === value && <Check aria-hidden className="size-4 text-accent" />}
          </span>
          <span className={cx('flex max-w-md min-w-0 flex-col', choice.faded && 'text-ink-soft')}>
            <span>
              {choice.label}{' '}
              {choice.note && (
                <span className="ml-1 rounded border border-line px-1.5 text-xs text-ink-soft">
                  {choice.note}
                </span>
              )}
            </span>
            {[choice.description, ...(choice.details ?? [])].map(
              (line) =>
                line && (
                  <span key={line} className="text-xs text-pretty text-ink-soft">
                    {line}
                  </span>
                ),
            )}
          </span>
        </button>
      ))}
    </div>
  )
}
