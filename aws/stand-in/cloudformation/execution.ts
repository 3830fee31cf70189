// What CloudFormation does to a stack: makes it, changes it, takes a change back, removes it.
import type { VirtualClock } from '../clock.ts'
import { CLEANUP, OTHERS, RESOURCES } from '../timings.ts'
import type { Others } from './kinds.ts'
import { type Failure, Resources } from './resources.ts'
import type { Live, Stack } from './stack.ts'
import { deniedBy } from './stack-policy.ts'
import { Refusal, runTasks, type Task } from './tasks.ts'
import { needs, recreates, same, type Template, type TemplateResource } from './template.ts'

const durations = (type: string) => RESOURCES[type] ?? OTHERS

export class Execution {
  /** For tests: resources that are to fail. */
  readonly failures: Failure[]
  readonly #clock: VirtualClock
  readonly #resources: Resources

  constructor(clock: VirtualClock, region: string, account: string, others: Others) {
    this.#clock = clock
    this.#resources = new Resources(region, account, others)
    this.failures = this.#resources.failures
  }

  /** A value with its references turned into what they are. */
  resolved(stack: Stack, value: unknown): unknown {
    return this.#resources.resolved(stack, value)
  }

  create(stack: Stack, text: string, template: Template): void {
    // Also of a creation that fails, it is there to be read.
    stack.text = text
    stack.becomes('CREATE_IN_PROGRESS', 'User Initiated')
    const tasks = Object.entries(template.Resources).map(([id, resource]): Task => {
      const at = () => stack.resources.get(id)
      return {
        id,
        after: needs(resource),
        begin: () => {
          stack.set(this.#resources.draft(stack, id, resource), 'CREATE_IN_PROGRESS')
          return durations(resource.Type).create
        },
        end: () => {
          this.#resources.mayFail(id, 'create')
          this.#resources.finish(stack, at(), 'create', 'CREATE_COMPLETE')
        },
        failed: (reason) => this.#resources.mark(stack, at(), 'CREATE_FAILED', reason),
        cancelled: () => this.#resources.mark(stack, at(), 'CREATE_FAILED', 'Resource creation cancelled'),
      }
    })
    runTasks(this.#clock, tasks, 'cancel', (failed) => {
      if (failed.length === 0) {
        Object.assign(stack, { text, template })
        return stack.becomes('CREATE_COMPLETE')
      }
      stack.becomes(
        'ROLLBACK_IN_PROGRESS',
        `The following resource(s) failed to create: [${failed.join(', ')}]. Rollback requested by user.`,
      )
      const made = [...stack.resources.values()].reverse()
      this.#removeAll(stack, made, (left) =>
        stack.becomes(left.length === 0 ? 'ROLLBACK_COMPLETE' : 'ROLLBACK_FAILED', refusedToGo(left)),
      )
    })
  }

  update(stack: Stack, text: string, template: Template): void {
    stack.updatedAt = this.#clock.now()
    stack.undo = []
    stack.becomes('UPDATE_IN_PROGRESS', 'User Initiated')
    const gone = [...stack.resources.values()].filter(({ id }) => template.Resources[id] === undefined)
    const denied = gone.flatMap((live) => {
      const reason = deniedBy(stack.policy, 'Update:Delete', live.id)
      return reason === undefined ? [] : [{ live, reason }]
    })
    for (const { live, reason } of denied) stack.say(live, 'DELETE_FAILED', reason)
    if (denied.length > 0) {
      this.#rollBack(
        stack,
        denied.map(({ live }) => live.id),
      )
      return
    }
    const replaced: Live[] = []
    const tasks = Object.entries(template.Resources).map(([id, resource]) =>
      this.#change(stack, id, resource, replaced),
    )
    runTasks(this.#clock, tasks, 'cancel', (failed) => {
      if (failed.length > 0) return this.#rollBack(stack, failed)
      stack.becomes('UPDATE_COMPLETE_CLEANUP_IN_PROGRESS')
      Object.assign(stack, { text, template })
      this.#cleanUp(stack, [...gone, ...replaced], 'UPDATE_COMPLETE')
    })
  }

  #change(stack: Stack, id: string, resource: TemplateResource, replaced: Live[]): Task {
    const was = stack.resources.get(id)
    let status: 'CREATE' | 'UPDATE' = 'UPDATE'
    let isReplaced = false
    return {
      id,
      after: needs(resource),
      begin: () => {
        const next = this.#resources.draft(stack, id, resource)
        if (was === undefined) {
          status = 'CREATE'
          stack.undo.push({ id, was })
          stack.set(next, 'CREATE_IN_PROGRESS')
          return durations(resource.Type).create
        }
        const names = [...new Set([...Object.keys(was.properties), ...Object.keys(next.properties)])]
        const differing = names.filter((name) => !same(was.properties[name], next.properties[name]))
        if (differing.length === 0 && same(was.source.UpdatePolicy, resource.UpdatePolicy)) {
          // Attributes such as DeletionPolicy are the template's, not the resource's.
          stack.resources.set(id, { ...was, source: resource })
          return undefined
        }
        isReplaced =
          was.source.Type !== resource.Type ||
          differing.some((name) => recreates(resource.Type, name) === 'Always')
        const reason = deniedBy(stack.policy, isReplaced ? 'Update:Replace' : 'Update:Modify', id)
        if (reason !== undefined) throw new Refusal(reason)
        stack.undo.push({ id, was })
        stack.set(
          isReplaced ? next : { ...next, physicalId: was.physicalId, version: was.version + 1 },
          'UPDATE_IN_PROGRESS',
          ...(isReplaced
            ? ['Requested update requires the creation of a new physical resource; hence creating one.']
            : []),
        )
        return durations(resource.Type)[isReplaced ? 'create' : 'update']
      },
      end: () => {
        this.#resources.mayFail(id, status === 'CREATE' ? 'create' : 'update')
        const making = status === 'CREATE' || isReplaced
        this.#resources.finish(
          stack,
          stack.resources.get(id),
          making ? 'create' : 'update',
          `${status}_COMPLETE`,
        )
        if (isReplaced && was) replaced.push(was)
      },
      failed: (reason) => this.#resources.mark(stack, stack.resources.get(id), `${status}_FAILED`, reason),
      cancelled: () =>
        this.#resources.mark(
          stack,
          stack.resources.get(id),
          `${status}_FAILED`,
          status === 'CREATE' ? 'Resource creation cancelled' : 'Resource update cancelled',
        ),
    }
  }

  /** @param skipped resources that are taken for rolled back */
  continueRollback(stack: Stack, skipped: readonly string[]): void {
    stack.undo = stack.undo.filter(({ id }) => !skipped.includes(id))
    this.#rollBack(stack, [])
  }

  #rollBack(stack: Stack, failed: readonly string[]): void {
    stack.becomes(
      'UPDATE_ROLLBACK_IN_PROGRESS',
      failed.length === 0
        ? 'User Initiated'
        : `The following resource(s) failed to update: [${failed.join(', ')}]. `,
    )
    const made: Live[] = []
    const tasks = [...stack.undo].reverse().map(({ id, was }, index, all): Task => {
      const now = stack.resources.get(id)
      return {
        id,
        // One after the other: what was changed last is changed back first.
        after: index > 0 ? [all[index - 1]?.id ?? ''] : [],
        begin: () => {
          if (was === undefined || now === undefined) return undefined
          stack.set({ ...was, version: was.version + 2 }, 'UPDATE_IN_PROGRESS')
          return durations(was.source.Type).update
        },
        end: () => {
          this.#resources.mayFail(id, 'rollback')
          this.#resources.finish(stack, stack.resources.get(id), 'update', 'UPDATE_COMPLETE')
          if (now && was && now.physicalId !== was.physicalId) made.push(now)
          stack.undo = stack.undo.filter((undo) => undo.id !== id)
        },
        failed: (reason) => this.#resources.mark(stack, stack.resources.get(id), 'UPDATE_FAILED', reason),
      }
    })
    runTasks(this.#clock, tasks, 'continue', (left) => {
      if (left.length > 0)
        return stack.becomes(
          'UPDATE_ROLLBACK_FAILED',
          `The following resource(s) failed to update: [${left.join(', ')}]. `,
        )
      stack.becomes('UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS')
      // Also what was refused before anything was done to it.
      for (const [id, live] of stack.resources)
        if (live.status === 'UPDATE_FAILED') stack.resources.set(id, { ...live, status: 'UPDATE_COMPLETE' })
      const added = stack.undo.flatMap(({ id }) => stack.resources.get(id) ?? [])
      stack.undo = []
      this.#cleanUp(stack, [...made, ...added], 'UPDATE_ROLLBACK_COMPLETE')
    })
  }

  /** What is no longer wanted goes, as far as it does: the stack is complete nevertheless. */
  #cleanUp(stack: Stack, old: readonly Live[], then: 'UPDATE_COMPLETE' | 'UPDATE_ROLLBACK_COMPLETE'): void {
    this.#removeAll(stack, old, () => this.#clock.after(CLEANUP * 1000, () => stack.becomes(then)), then)
  }

  /** @param retained resources of a deletion that failed, to be left where they are */
  remove(stack: Stack, retained: readonly string[]): void {
    const isOnlyPlanned = stack.status === 'REVIEW_IN_PROGRESS'
    stack.becomes('DELETE_IN_PROGRESS', 'User Initiated')
    const all = [...stack.resources.values()]
    this.#removeAll(
      stack,
      all.map((live) =>
        retained.includes(live.id) ? { ...live, source: { ...live.source, DeletionPolicy: 'Retain' } } : live,
      ),
      (left) => {
        if (left.length > 0) return stack.becomes('DELETE_FAILED', refusedToGo(left))
        const end = () => {
          stack.deletedAt = this.#clock.now()
          stack.becomes('DELETE_COMPLETE')
        }
        // Also one that has no resources any more is not gone at once.
        if (isOnlyPlanned) end()
        else this.#clock.after(CLEANUP * 1000, end)
      },
    )
  }

  #removeAll(
    stack: Stack,
    all: readonly Live[],
    done: (failed: string[]) => void,
    phase?: 'UPDATE_COMPLETE' | 'UPDATE_ROLLBACK_COMPLETE',
  ): void {
    const tasks = all.map((live): Task => {
      // A replaced resource goes while another one has its place.
      const isCurrent = () => stack.resources.get(live.id)?.physicalId === live.physicalId
      const { source } = live
      const isReplaced = phase === 'UPDATE_COMPLETE' && !isCurrent()
      const policy = isReplaced ? source.UpdateReplacePolicy : source.DeletionPolicy
      return {
        id: live.id,
        after: all.filter((other) => needs(other.source).includes(live.id)).map(({ id }) => id),
        begin: () => {
          if (policy === 'Retain' && phase !== 'UPDATE_ROLLBACK_COMPLETE') {
            stack.say(live, 'DELETE_SKIPPED')
            if (isCurrent()) stack.resources.delete(live.id)
            return undefined
          }
          stack.say(live, 'DELETE_IN_PROGRESS')
          return durations(source.Type).delete
        },
        end: () => {
          this.#resources.mayFail(live.id, 'delete')
          if (policy === 'Snapshot') this.#resources.kinds[source.Type]?.snapshot?.(live)
          // What failed to be made is nothing that could refuse.
          if (live.status !== 'CREATE_FAILED') this.#resources.kinds[source.Type]?.remove?.(live)
          stack.say(live, 'DELETE_COMPLETE')
          if (isCurrent()) stack.resources.delete(live.id)
        },
        failed: (reason) => {
          if (isCurrent()) stack.resources.set(live.id, { ...live, status: 'DELETE_FAILED' })
          stack.say(live, 'DELETE_FAILED', reason)
        },
      }
    })
    runTasks(this.#clock, tasks, 'continue', done)
  }
}

const refusedToGo = (ids: readonly string[]) =>
  ids.length === 0 ? undefined : `The following resource(s) failed to delete: [${ids.join(', ')}]. `
