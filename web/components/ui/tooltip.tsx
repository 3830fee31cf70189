import { cloneElement, type ReactElement, useEffect } from 'react'

const DELAY_MS = 400
/** Pixels. */
const GAP = 6
const EDGE = 8

/** Shows a word on hover and keyboard focus. The trigger still needs its own accessible name. */
export function Tooltip({ text, children }: { text: string; children: ReactElement }) {
  useEffect(listen, [])
  return cloneElement(children as ReactElement<{ 'data-tooltip'?: string }>, { 'data-tooltip': text })
}

let listening = false

/** One bubble and one set of listeners for the page: hundreds of buttons have a word each, one shows at a time. */
function listen(): void {
  if (listening) return
  listening = true
  const bubble = document.createElement('div')
  bubble.popover = 'manual'
  // The words are the trigger's own label: a screen reader has them.
  bubble.ariaHidden = 'true'
  bubble.className =
    'pointer-events-none fixed inset-auto m-0 max-w-64 animate-appear rounded-md border-0 bg-ink px-2 py-1 text-xs text-canvas shadow-float'
  document.body.append(bubble)
  let shownFor: Element | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  const hide = () => {
    clearTimeout(timer)
    shownFor = null
    if (bubble.matches(':popover-open')) bubble.hidePopover()
  }
  const show = (trigger: HTMLElement) => {
    if (!trigger.isConnected) return
    bubble.textContent = trigger.dataset.tooltip ?? ''
    // Shown anew: the top layer's order is that of showing, and a dialog may have come since.
    bubble.hidePopover()
    bubble.showPopover()
    const at = trigger.getBoundingClientRect()
    const { offsetWidth: width, offsetHeight: height } = bubble
    const middle = at.left + at.width / 2 - width / 2
    bubble.style.left = `${Math.max(EDGE, Math.min(middle, window.innerWidth - width - EDGE))}px`
    bubble.style.top = `${at.top - GAP - height < EDGE ? at.bottom + GAP : at.top - GAP - height}px`
  }
  const triggerOf = (target: EventTarget | null) =>
    target instanceof Element ? target.closest<HTMLElement>('[data-tooltip]') : null

  document.addEventListener('pointerover', (event) => {
    const trigger = event.pointerType === 'mouse' ? triggerOf(event.target) : null
    if (trigger === shownFor) return
    hide()
    if (trigger === null) return
    shownFor = trigger
    timer = setTimeout(() => show(trigger), DELAY_MS)
  })
  document.addEventListener('focusin', (event) => {
    const trigger = triggerOf(event.target)
    hide()
    if (trigger === null || !trigger.matches(':focus-visible')) return
    shownFor = trigger
    timer = setTimeout(() => show(trigger), DELAY_MS)
  })
  for (const end of ['pointerdown', 'keydown', 'focusout', 'scroll', 'wheel']) {
    document.addEventListener(end, hide, { capture: true, passive: true })
  }
}
