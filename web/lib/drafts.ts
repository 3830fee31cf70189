// Where words that are not sent yet lie: in the tab's own storage, which outlives signing out. Each key names whose
// words they are, and whoever comes next has the others' removed.
const PREFIX = 'terrace-draft:'

export const draftKey = (userId: string, chatId: string): string => `${PREFIX}${userId}:${chatId}`

/** @param userId null: nobody is signed in, so nobody's words stay */
export function keepDraftsOf(userId: string | null): void {
  try {
    const keys = Array.from({ length: sessionStorage.length }, (_, n) => sessionStorage.key(n) ?? '')
    for (const key of keys) {
      const isTheirs = userId !== null && key.startsWith(draftKey(userId, ''))
      if (key.startsWith(PREFIX) && !isTheirs) sessionStorage.removeItem(key)
    }
  } catch {
    // Storage is switched off: nothing was written either.
  }
}
