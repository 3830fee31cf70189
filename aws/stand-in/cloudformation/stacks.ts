// The stacks of an account and region, and pages of whatever is listed.
import type { VirtualClock } from '../clock.ts'
import { awsError } from '../service.ts'
import { Stack } from './stack.ts'

/** Small, so that whoever reads one page only is found out. */
const PAGE = 20

export class Stacks {
  /** By their ids; of those that have the same name, all but one are deleted. */
  readonly all = new Map<string, Stack>()
  readonly arn: string
  readonly #clock: VirtualClock
  #made = 0

  constructor(clock: VirtualClock, region: string, account: string) {
    this.#clock = clock
    this.arn = `arn:aws:cloudformation:${region}:${account}`
  }

  /** The stack of a name, deleted or not; undefined when there never was one. */
  find(nameOrId: string): Stack | undefined {
    const byId = this.all.get(nameOrId)
    if (byId !== undefined) return byId
    const named = [...this.all.values()].filter(({ name }) => name === nameOrId)
    return named.find(({ deletedAt }) => deletedAt === undefined) ?? named.at(-1)
  }

  /** By its name only while it is there; by its id for ever. */
  get(nameOrId: string | undefined): Stack {
    const found = this.find(nameOrId ?? '')
    if (found === undefined || (found.deletedAt !== undefined && found.id !== nameOrId))
      throw awsError('ValidationError', `Stack with id ${nameOrId} does not exist`)
    return found
  }

  make(name: string): Stack {
    const stack = new Stack(name, `${this.arn}:stack/${name}/${this.number()}`, this.#clock)
    this.all.set(stack.id, stack)
    stack.becomes('REVIEW_IN_PROGRESS', 'User Initiated')
    return stack
  }

  /** One that no id has yet. */
  number(): number {
    return ++this.#made
  }
}

/** A token is the place where the next page begins. */
export function paged<T>(
  all: readonly T[],
  token: string | undefined,
): { page: T[]; NextToken: string | undefined } {
  const from = token === undefined ? 0 : Number(token)
  const to = from + PAGE
  return { page: all.slice(from, to), NextToken: to < all.length ? String(to) : undefined }
}
