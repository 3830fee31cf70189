// Notices models that went silent. One timer for all streams: a timer restarted by every token of a thousand
// streams would cost more than the rest of what is done to a token.

export interface SilenceWatch {
  /** Something came: the next has to come within `ms`. */
  heard(ms: number): void
  end(): void
}

interface Watched {
  deadline: number
  onSilent: () => void
}

const SWEEP_MS = 250
const watched = new Set<Watched>()
let timer: NodeJS.Timeout | undefined

/** Calls `onSilent` once, up to 250 ms late, when nothing was heard within `ms` from now or from the last `heard`. */
export function watchSilence(ms: number, onSilent: () => void): SilenceWatch {
  const entry: Watched = { deadline: performance.now() + ms, onSilent }
  watched.add(entry)
  timer ??= setInterval(sweep, SWEEP_MS)
  return {
    heard(next) {
      entry.deadline = performance.now() + next
    },
    end() {
      watched.delete(entry)
    },
  }
}

function sweep(): void {
  const now = performance.now()
  for (const entry of watched) {
    if (entry.deadline > now) continue
    watched.delete(entry)
    entry.onSilent()
  }
  if (watched.size > 0) return
  clearInterval(timer)
  timer = undefined
}
