import { Check } from 'lucide-react'
import * as Radix from 'radix-ui/dropdown-menu'
import type { ReactElement, ReactNode } from 'react'
import { cx } from '../../lib/cx.ts'

const ITEM =
  'flex min-h-9 items-center gap-2.5 rounded-md px-2.5 py-1.5 text-sm outline-none select-none data-highlighted:bg-hover data-disabled:opacity-50'

interface MenuProps {
  trigger: ReactElement
  children: ReactNode
  align?: 'start' | 'end'
  /** Called as the menu closes; return focus elsewhere by preventing the event's default. */
  onCloseAutoFocus?: (event: Event) => void
}

/** A button's menu: arrow keys, type-ahead, Escape, focus back on the button. */
export function Menu({ trigger, children, align = 'end', onCloseAutoFocus }: MenuProps) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          {...(onCloseAutoFocus && { onCloseAutoFocus })}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) max-w-[calc(100vw-1rem)] min-w-48 animate-appear overflow-y-auto rounded-xl border border-line bg-surface p-1 shadow-float"
        >
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

interface ItemProps {
  children: ReactNode
  icon?: ReactNode
  onSelect: () => void
  danger?: boolean
  disabled?: boolean
}

export function MenuItem({ children, icon, onSelect, danger = false, disabled = false }: ItemProps) {
  return (
    <Radix.Item disabled={disabled} onSelect={onSelect} className={cx(ITEM, danger && 'text-danger')}>
      {icon}
      {children}
    </Radix.Item>
  )
}

export function MenuLink({
  href,
  download,
  children,
  icon,
}: {
  href: string
  download?: boolean
  children: ReactNode
  icon?: ReactNode
}) {
  return (
    <Radix.Item asChild className={ITEM}>
      <a href={href} download={download}>
        {icon}
        {children}
      </a>
    </Radix.Item>
  )
}

export interface MenuChoice {
  value: string
  label: string
  description?: string
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
  return (
    <Radix.RadioGroup aria-label={label} value={value} onValueChange={onChange}>
      {choices.map((choice) => (
        <Radix.RadioItem
          key={choice.value}
          value={choice.value}
          disabled={choice.disabled ?? false}
          className={cx(ITEM, 'items-start')}
        >
          <span className="mt-0.5 size-4 shrink-0">
            <Radix.ItemIndicator>
              <Check className="size-4 text-accent" />
            </Radix.ItemIndicator>
          </span>
          <span className="flex min-w-0 flex-col">
            {choice.label}
            {choice.description && <span className="text-xs text-ink-soft">{choice.description}</span>}
          </span>
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  )
}

export const MenuLabel = ({ children }: { children: ReactNode }) => (
  <Radix.Label className="px-2.5 pt-1.5 pb-1 text-xs font-medium text-ink-soft">{children}</Radix.Label>
)

export const MenuSeparator = () => <Radix.Separator className="my-1 h-px bg-line" />
