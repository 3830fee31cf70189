import { useSyncExternalStore } from 'react'

/** Room for a source beside the answer. */
const WIDE = '(min-width: 64rem)'

/** Null on the server, where no one knows. */
export function useWide(): boolean | null {
  return useSyncExternalStore<boolean | null>(
    (listener) => {
      const media = matchMedia(WIDE)
      media.addEventListener('change', listener)
      return () => media.removeEventListener('change', listener)
    },
    () => matchMedia(WIDE).matches,
    () => null,
  )
}

/** A mouse or a pen is at hand. With fingers, focusing a field brings up a keyboard that nobody asked for. */
export function hasFinePointer(): boolean {
  return typeof matchMedia === 'function' && matchMedia('(pointer: fine)').matches
}
