import { createContext, type KeyboardEvent, type ReactElement, type ReactNode, use, useRef } from 'react'
import { cx } from '../../lib/cx.ts'
import { Popover } from './popover.tsx'

/** How an item looks. */
export const ITEM = cx(
  'flex min-h-9 w-full items-center gap-2.5 rounded-md px-2.5 py-1.5 text-left text-sm outline-none select-none',
  'hover:bg-hover focus:bg-hover aria-disabled:cursor-not-allowed aria-disabled:opacity-50',
)
const ITEMS = '[role^="menuitem"]:not([aria-disabled="true"])'
/** Milliseconds within which letters belong to one word. */
const TYPING = 700

/** Closes the menu around. */
export const CloseContext = createContext<() => void>(() => {})

interface MenuProps {
  trigger: ReactElement
  children: ReactNode
  align?: 'start' | 'end'
}

/** A button's menu: arrow keys, type-ahead, Escape, focus back on the button. */
export function Menu({ trigger, children, align = 'end' }: MenuProps) {
  const typed = useRef({ text: '', at: 0 })
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>(ITEMS)]
    const active = document.activeElement
    const here = active instanceof HTMLElement ? items.indexOf(active) : -1
    const go = (index: number) => {
      event.preventDefault()
      items.at(index % items.length)?.focus()
    }
    if (event.key === 'ArrowDown') go(here + 1)
    else if (event.key === 'ArrowUp') go(here < 0 ? -1 : here - 1)
    else if (event.key === 'Home') go(0)
    else if (event.key === 'End') go(-1)
    else if (
      event.key.length === 1 &&
      event.key !== ' ' &&
      !event.ctrlKey &&
      !event.metaKey &&
      !event.altKey
    ) {
      const now = Date.now()
      const text = now - typed.current.at > TYPING ? event.key : typed.current.text + event.key
      typed.current = { text, at: now }
      const after = [...items.slice(here + 1), ...items.slice(0, here + 1)]
      // A longer word may still mean the item that one letter led to.
      const searched = text.length > 1 && here >= 0 ? items.slice(here).concat(items) : after
      searched.find((item) => item.innerText.trim().toLowerCase().startsWith(text.toLowerCase()))?.focus()
    }
  }
  return (
    <Popover
      trigger={trigger}
      role="menu"
      align={align}
      className="max-w-[calc(100vw-1rem)] min-w-48 p-1"
      onKeyDown={onKeyDown}
      onShown={(menu) => {
        const chosen = menu.querySelector<HTMLElement>(`[aria-checked="true"]${ITEMS}`)
        const first = chosen ?? menu.querySelector<HTMLElement>(ITEMS) ?? menu
        first.focus({ preventScroll: true })
      }}
    >
      {(close) => <CloseContext value={close}>{children}</CloseContext>}
    </Popover>
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
  const close = use(CloseContext)
  return (
    <button
      type="button"
      role="menuitem"
      tabIndex={-1}
      aria-disabled={disabled || undefined}
      onClick={() => {
        if (disabled) return
        close()
        onSelect()
      }}
      className={cx(ITEM, danger && 'text-danger')}
    >
      {icon}
      {children}
    </button>
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
  const close = use(CloseContext)
  return (
    <a role="menuitem" tabIndex={-1} href={href} download={download} onClick={close} className={ITEM}>
      {icon}
      {children}
    </a>
  )
}

export const MenuLabel = ({ children }: { children: ReactNode }) => (
  <div className="px-2.5 pt-1.5 pb-1 text-xs font-medium text-ink-soft">{children}</div>
)

export const MenuSeparator = () => <hr className="my-1 h-px border-0 bg-line" />
