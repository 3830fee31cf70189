// What may be missing among the passages that a search has found, in a sentence above them.
import { type PlainKey, t } from '../../lib/t.ts'
import type { Outputs } from '../../lib/trpc.ts'

type Found = Pick<Outputs['search']['passages'], 'mode' | 'behind' | 'wordsOnly'>

export function SearchCaveats({ found: { mode, behind, wordsOnly } }: { found: Found }) {
  return (
    <>
      {mode === 'words' && (
        <Caveat
          title="search.wordsOnly"
          hint={wordsOnly === 'engine-away' ? 'search.engineAwayHint' : 'search.wordsOnlyHint'}
        />
      )}
      {behind && <Caveat title="search.behind" hint="search.behindHint" />}
    </>
  )
}

function Caveat({ title, hint }: { title: PlainKey; hint: PlainKey }) {
  return (
    <div className="rounded-xl bg-warn-soft px-4 py-3 text-sm text-warn">
      <p className="font-medium">{t(title)}</p>
      <p>{t(hint)}</p>
    </div>
  )
}
