// What tests of changes stand on: an account with a state bucket, templates to bring there, and what was said meanwhile.
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import type { Template } from '../cfn.ts'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import type { StackTarget } from './change-set.ts'
import type { Judged } from './gate.ts'
import { CLOSED } from './policy.ts'
import { changeStack, type StackChange } from './stack-change.ts'

export const NAME = 'terrace-staging'
export const ACCOUNT = '222233334444'
export const BUCKET = `terrace-state-${ACCOUNT}-eu-west-1`
export const target: StackTarget = {
  stackName: NAME,
  tags: { service: 'terrace' },
  upload: { bucket: BUCKET, folder: 'stages/staging/templates', account: ACCOUNT },
}
/** Made without servers, as a stage is: what is locked could not be taken back. */
export const bare = sample('staging', { fleet: 'none' }).template
export const whole = sample('staging').template
export const edited = (edit: (draft: Draft) => void, from: Template = whole): Template => {
  const draft: Draft & Template = JSON.parse(JSON.stringify(from))
  edit(draft)
  return draft
}
/** Changes an instance without losing anything, and a group that comes after it. */
export const larger = edited((draft) => {
  change(draft, 'Database', 'AllocatedStorage', '40')
  change(draft, 'ApiGroup', 'MaxSize', '6')
})
/** Small, since it is made a hundred times. */
export const small = (size: string): Template => ({
  Description: '',
  Outputs: {},
  Resources: {
    Documents: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain', Properties: {} },
    Topic: { Type: 'AWS::SNS::Topic', Properties: {} },
    Size: {
      Type: 'AWS::SSM::Parameter',
      DependsOn: ['Documents'],
      Properties: { Type: 'String', Value: size, Description: { Ref: 'Topic' } },
    },
  },
})

const PATIENCE_MS = 6 * 3_600_000

export class Rehearsal {
  readonly world: StandIn = standIn(ACCOUNT)
  readonly said: string[] = []
  readonly plans: (readonly Judged[])[] = []

  constructor() {
    this.world.buckets.make(BUCKET)
  }

  readonly bring = (template: Template, changes: Partial<StackChange> = {}, aws = this.world.aws) =>
    changeStack(aws, {
      target,
      template,
      allowed: [],
      protection: { policy: true, termination: true },
      agree: async (judged) => {
        this.plans.push(judged)
        return true
      },
      say: (line) => this.said.push(line),
      patienceMs: PATIENCE_MS,
      ...changes,
    })

  get stack() {
    const found = this.world.stacks.find(NAME)
    if (found === undefined) throw new Error('no stack')
    return found
  }
  counted(operation: string): number {
    return this.world.calls.filter((call) => call.operation === operation).length
  }
  get max(): unknown {
    return this.stack.resources.get('ApiGroup')?.properties.MaxSize
  }
  get isLocked(): boolean {
    return this.stack.policy === JSON.stringify(CLOSED) && this.stack.isProtected
  }
}
