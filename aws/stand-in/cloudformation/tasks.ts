// Work on many resources at once: each begins when what it waits for is done, and takes its time.
import type { VirtualClock } from '../clock.ts'

/** What AWS says when a resource can't be made, changed or removed. */
export class Refusal extends Error {}

export interface Task {
  readonly id: string
  /** Ids of tasks that have to be done first; those that are no task here don't count. */
  readonly after: readonly string[]
  /** @returns seconds that it takes; undefined when there is nothing to do. @throws Refusal */
  begin(): number | undefined
  /** @throws Refusal */
  end(): void
  failed(reason: string): void
  /** Another one failed while this one was at work. */
  cancelled?(): void
}

/**
 * @param others what a failure does to the others: `cancel` ends everything; `continue` only what waits for it never begins
 * @param done gets the ids that failed
 */
export function runTasks(
  clock: VirtualClock,
  tasks: readonly Task[],
  others: 'cancel' | 'continue',
  done: (failed: string[]) => void,
): void {
  const waiting = new Map(tasks.map((task) => [task.id, task]))
  const working = new Map<string, Task>()
  const failed: string[] = []
  let isOver = false

  const fail = (task: Task, error: unknown) => {
    if (!(error instanceof Refusal)) throw error
    task.failed(error.message)
    failed.push(task.id)
    if (others === 'continue') return
    for (const other of working.values()) other.cancelled?.()
    working.clear()
    waiting.clear()
  }
  const attempt = (task: Task, work: () => void) => {
    try {
      work()
    } catch (error) {
      fail(task, error)
    }
  }
  const start = (task: Task) => {
    const seconds = task.begin()
    if (seconds === undefined) return
    working.set(task.id, task)
    clock.after(seconds * 1000, () => {
      // Cancelled meanwhile.
      if (working.get(task.id) !== task) return
      working.delete(task.id)
      attempt(task, () => task.end())
      next()
    })
  }
  const next = () => {
    for (let started = true; started; ) {
      started = false
      for (const task of waiting.values()) {
        if (task.after.some((id) => waiting.has(id) || working.has(id) || failed.includes(id))) continue
        waiting.delete(task.id)
        attempt(task, () => start(task))
        started = true
      }
    }
    if (working.size > 0 || isOver) return
    isOver = true
    done(failed)
  }
  next()
}
