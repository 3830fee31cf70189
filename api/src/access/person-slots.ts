// How much of one thing a person may have under way at a time: uploads that are written, questions that are embedded.
// More than that waits for its turn in order, so that nobody takes what all share; only a crowd is refused.
import { AppError } from '../errors.ts'

export interface SlotLimits {
  readonly atOnce: number
  readonly waiting: number
  readonly waitMs: number
}

interface Person {
  active: number
  readonly queue: Set<() => void>
}

export class PersonSlots {
  readonly #limits: SlotLimits
  readonly #people = new Map<string, Person>()

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  /** @returns what gives the slot back @throws AppError TOO_MANY_REQUESTS */
  async take(userId: string): Promise<() => void> {
    const person = this.#people.get(userId) ?? { active: 0, queue: new Set() }
    this.#people.set(userId, person)
    if (person.active < this.#limits.atOnce) person.active += 1
    else await this.#wait(person)
    let held = true
    return () => {
      if (!held) return
      held = false
      const [next] = person.queue
      // The slot goes from hand to hand: nobody who comes later can take it in between.
      if (next !== undefined) next()
      else {
        person.active -= 1
        if (person.active === 0) this.#people.delete(userId)
      }
    }
  }

  #wait(person: Person): Promise<void> {
    const seconds = Math.ceil(this.#limits.waitMs / 10_000)
    if (person.queue.size >= this.#limits.waiting) throw new AppError('TOO_MANY_REQUESTS', { seconds })
    return new Promise((resolve, reject) => {
      const turn = () => {
        clearTimeout(timer)
        person.queue.delete(turn)
        resolve()
      }
      const timer = setTimeout(() => {
        person.queue.delete(turn)
        reject(new AppError('TOO_MANY_REQUESTS', { seconds }))
      }, this.#limits.waitMs)
      person.queue.add(turn)
    })
  }
}
