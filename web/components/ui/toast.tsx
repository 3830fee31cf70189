import { CircleAlert, CircleCheck, X } from 'lucide-react'
import { useEffect, useSyncExternalStore } from 'react'
import { t } from '../../lib/t.ts'
import { IconButton } from './icon-button.tsx'

interface Toast {
  id: number
  message: string
  tone: 'done' | 'failed'
}

const SECONDS = { done: 4, failed: 10 } as const

let toasts: readonly Toast[] = []
let lastId = 0
const listeners = new Set<() => void>()

function change(next: readonly Toast[]): void {
  toasts = next
  for (const listener of listeners) listener()
}

const dismiss = (id: number): void => change(toasts.filter((toast) => toast.id !== id))

/** Says briefly that something was done, or was not. For what must not be missed use a state on the page. */
export function showToast(message: string, tone: Toast['tone'] = 'done'): void {
  lastId += 1
  change([...toasts.filter((toast) => toast.message !== message).slice(-2), { id: lastId, message, tone }])
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
const NONE: readonly Toast[] = []

/** Stands once in the page; a live region from the start, or screen readers miss the first message. */
export function Toaster() {
  const shown = useSyncExternalStore(
    subscribe,
    () => toasts,
    () => NONE,
  )
  return (
    <div
      aria-live="polite"
      className="pointer-events-none fixed inset-x-0 bottom-0 z-50 flex flex-col items-center gap-2 p-4"
    >
      {shown.map((toast) => (
        <ToastCard key={toast.id} toast={toast} />
      ))}
    </div>
  )
}

function ToastCard({ toast }: { toast: Toast }) {
  useEffect(() => {
    const timer = setTimeout(() => dismiss(toast.id), SECONDS[toast.tone] * 1000)
    return () => clearTimeout(timer)
  }, [toast])
  return (
    <div className="pointer-events-auto flex max-w-md animate-appear items-center gap-3 rounded-xl border border-line bg-surface py-1.5 pr-1.5 pl-4 text-sm shadow-float">
      {toast.tone === 'done' ? (
        <CircleCheck aria-hidden className="size-4 shrink-0 text-accent" />
      ) : (
        <CircleAlert aria-hidden className="size-4 shrink-0 text-danger" />
      )}
      <span>{toast.message}</span>
      <IconButton
        label={t('action.dismiss')}
        icon={<X aria-hidden className="size-4" />}
        size="small"
        tooltip={false}
        onClick={() => dismiss(toast.id)}
      />
    </div>
  )
}
