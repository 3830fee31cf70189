import type { PageAttention } from './watch-answer.ts'

/** Whether a person looks at this tab, from the browser's own events. One object for each watch. */
export function browserAttention(): PageAttention {
  let turnedTo = document.hasFocus()
  return {
    visible: () => document.visibilityState === 'visible',
    turnedTo() {
      const was = turnedTo
      turnedTo = false
      return was
    },
    onChange(listener) {
      const onFocus = () => {
        turnedTo = true
        listener()
      }
      document.addEventListener('visibilitychange', listener)
      window.addEventListener('focus', onFocus)
      return () => {
        document.removeEventListener('visibilitychange', listener)
        window.removeEventListener('focus', onFocus)
      }
    },
  }
}
