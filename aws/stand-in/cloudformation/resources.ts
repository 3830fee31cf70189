// One resource of a stack: what it is once its references are known, and what happens to it.
import { kinds, type Others } from './kinds.ts'
import type { Live, Stack } from './stack.ts'
import { Refusal } from './tasks.ts'
import { resolve, type TemplateResource } from './template.ts'

/** A resource that is to fail. */
export interface Failure {
  readonly id: string
  readonly on: 'create' | 'update' | 'rollback' | 'delete'
  readonly reason: string
}

export class Resources {
  readonly failures: Failure[] = []
  readonly kinds: ReturnType<typeof kinds>
  readonly #region: string
  readonly #account: string
  #made = 0

  constructor(region: string, account: string, others: Others) {
    this.#region = region
    this.#account = account
    this.kinds = kinds(others)
  }

  draft(stack: Stack, id: string, source: TemplateResource): Live {
    const properties = this.resolved(stack, source.Properties ?? {}) as Record<string, unknown>
    const name = source.Type === 'AWS::S3::Bucket' ? properties.BucketName : undefined
    const physicalId = String(name ?? `${stack.name}-${id}-${++this.#made}`)
    return {
      id,
      source,
      properties,
      version: 1,
      status: 'CREATE_IN_PROGRESS',
      // As the services spell them.
      physicalId: /::(RDS|S3)::/.test(source.Type) ? physicalId.toLowerCase() : physicalId,
    }
  }

  /** A value with its references turned into what they are. */
  resolved(stack: Stack, value: unknown): unknown {
    const own: Readonly<Record<string, string>> = {
      'AWS::AccountId': this.#account,
      'AWS::Partition': 'aws',
      'AWS::Region': this.#region,
      'AWS::StackId': stack.id,
      'AWS::StackName': stack.name,
      'AWS::URLSuffix': 'amazonaws.com',
    }
    return resolve(value, (id, attribute) => {
      const live = stack.resources.get(id)
      if (attribute === undefined) return own[id] ?? live?.physicalId ?? ''
      if (attribute === 'LatestVersionNumber') return String(live?.version)
      return `${live?.physicalId}.${attribute}`
    })
  }

  finish(
    stack: Stack,
    live: Live | undefined,
    how: 'create' | 'update',
    status: 'CREATE_COMPLETE' | 'UPDATE_COMPLETE',
  ): void {
    if (live === undefined) return
    this.kinds[live.source.Type]?.[how]?.(live)
    stack.set(live, status)
  }
  mark(
    stack: Stack,
    live: Live | undefined,
    status: 'CREATE_FAILED' | 'UPDATE_FAILED',
    reason: string,
  ): void {
    if (live !== undefined) stack.set(live, status, reason)
  }

  mayFail(id: string, on: Failure['on']): void {
    const found = this.failures.find((failure) => failure.id === id && failure.on === on)
    if (found !== undefined) throw new Refusal(found.reason)
  }
}
