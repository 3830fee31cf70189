import {
  cloneElement,
  type KeyboardEvent,
  type ReactElement,
  type ReactNode,
  type ToggleEvent,
  useEffect,
  useId,
  useRef,
  useState,
} from 'react'
import { cx } from '../../lib/cx.ts'

interface TriggerProps {
  id?: string
  popoverTarget?: string
  'aria-expanded'?: boolean
  'aria-haspopup'?: 'menu' | 'dialog'
  'data-state'?: 'open' | 'closed'
}

interface Props {
  /** A button, or a component that hands its properties on to one. */
  trigger: ReactElement
  role: 'menu' | 'dialog'
  /** A name; a menu has its button's. */
  label?: string
  align?: 'start' | 'end'
  className?: string
  /** Called once it is shown: puts the focus inside. Default: on the popover itself. */
  onShown?: (popover: HTMLElement) => void
  onKeyDown?: (event: KeyboardEvent<HTMLDivElement>) => void
  children: (close: () => void) => ReactNode
}

/** Pixels. */
const GAP = 4
const EDGE = 8

/**
 * What a button opens beside itself: the browser's own popover, which stands above everything, closes on Escape and
 * on a click elsewhere, and gives the focus back. Its content exists only while it is open. (A library for the same
 * costs 45 kB of script on every page.)
 */
export function Popover({
  trigger,
  role,
  label,
  align = 'start',
  className,
  onShown,
  onKeyDown,
  children,
}: Props) {
  const id = useId()
  const element = useRef<HTMLDivElement>(null)
  const [open, setOpen] = useState(false)

  useEffect(() => {
    const popover = element.current
    const button = document.getElementById(`${id}-button`)
    if (!open || popover === null || button === null) return
    const follow = () => place(popover, button, align)
    // Tells the size before anything is painted, and again when the content changes.
    const observer = new ResizeObserver(follow)
    observer.observe(popover)
    window.addEventListener('resize', follow)
    window.addEventListener('scroll', follow, true)
    return () => {
      observer.disconnect()
      window.removeEventListener('resize', follow)
      window.removeEventListener('scroll', follow, true)
    }
  }, [open, id, align])

  const onToggle = (event: ToggleEvent<HTMLDivElement>) => {
    if (event.target !== event.currentTarget) return
    if (event.newState === 'closed') {
      // Not before: the browser gives the focus back only from what is still there.
      setOpen(false)
      return
    }
    if (onShown !== undefined) onShown(event.currentTarget)
    else if (!event.currentTarget.contains(document.activeElement)) event.currentTarget.focus()
  }

  return (
    <>
      {cloneElement(trigger as ReactElement<TriggerProps>, {
        id: `${id}-button`,
        popoverTarget: id,
        'aria-expanded': open,
        'aria-haspopup': role,
        'data-state': open ? 'open' : 'closed',
      })}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: its role is a menu's or a dialog's, see below */}
      {/* biome-ignore lint/a11y/useAriaPropsSupportedByRole: as above */}
      <div
        ref={element}
        id={id}
        popover="auto"
        role={role}
        tabIndex={-1}
        aria-label={label}
        aria-labelledby={label === undefined ? `${id}-button` : undefined}
        onBeforeToggle={(event) => {
          if (event.target === event.currentTarget && event.newState === 'open') setOpen(true)
        }}
        onToggle={onToggle}
        onKeyDown={onKeyDown}
        onBlur={(event) => {
          // Tab leads out of it: it is not left standing open. (Null: the window lost the focus.)
          const next = event.relatedTarget
          if (next !== null && !event.currentTarget.contains(next) && next.id !== `${id}-button`) {
            event.currentTarget.hidePopover()
          }
        }}
        className={cx(
          'fixed inset-auto m-0 animate-appear overflow-y-auto rounded-xl border border-line bg-surface p-0',
          // It stands in its button's place in the tree and would inherit from there.
          'text-left text-base font-normal whitespace-normal text-ink shadow-float outline-none',
          className,
        )}
      >
        {open && children(() => element.current?.hidePopover())}
      </div>
    </>
  )
}

/** Below the button, or above where there is more room; inside the window; as high as fits. */
function place(popover: HTMLElement, button: HTMLElement, align: 'start' | 'end'): void {
  const at = button.getBoundingClientRect()
  popover.style.maxHeight = ''
  const { offsetWidth: width, offsetHeight: height } = popover
  const below = window.innerHeight - at.bottom - GAP - EDGE
  const above = at.top - GAP - EDGE
  const isBelow = height <= below || below >= above
  const room = isBelow ? below : above
  const shown = Math.min(height, room)
  const wanted = align === 'start' ? at.left : at.right - width
  popover.style.left = `${Math.max(EDGE, Math.min(wanted, window.innerWidth - width - EDGE))}px`
  popover.style.top = `${isBelow ? at.bottom + GAP : at.top - GAP - shown}px`
  if (height > room) popover.style.maxHeight = `${room}px`
}
