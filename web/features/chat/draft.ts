import { useCallback, useEffect, useState } from 'react'
import { draftKey } from '../../lib/drafts.ts'
import { useViewer } from '../../lib/session.ts'

/** Words that are not sent yet survive a reload of this tab; one draft a person and chat. */
export function useDraft(chatId: string): [string, (text: string) => void] {
  const key = draftKey(useViewer()?.id ?? '', chatId)
  const [text, setText] = useState('')
  useEffect(() => setText(read(key)), [key])
  const change = useCallback(
    (next: string) => {
      setText(next)
      write(key, next)
    },
    [key],
  )
  return [text, change]
}

// Storage may be switched off in a browser: then a draft lives as long as its page.
function read(key: string): string {
  try {
    return sessionStorage.getItem(key) ?? ''
  } catch {
    return ''
  }
}

function write(key: string, text: string): void {
  try {
    if (text === '') sessionStorage.removeItem(key)
    else sessionStorage.setItem(key, text)
  } catch {
    // Nothing to do: see above.
  }
}
