// Policy documents of IAM, S3, SNS and KMS, written so that each statement says what it allows whom, and on what.
import type { Text } from './cfn.ts'

export type Conditions = Readonly<Record<string, Readonly<Record<string, Text | readonly Text[]>>>>

export interface Statement {
  readonly Sid?: string
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal?: '*' | { readonly Service?: string; readonly AWS?: Text }
  readonly Action: string | readonly string[]
  readonly Resource: Text | readonly Text[]
  readonly Condition?: Conditions
}

export const document = (...statements: readonly Statement[]) => ({
  Version: '2012-10-17',
  Statement: statements,
})

/** What a role may do. */
export const allow = (
  actions: readonly string[],
  resources: Text | readonly Text[],
  when?: Conditions,
): Statement => ({
  Effect: 'Allow',
  Action: actions,
  Resource: resources,
  ...(when && { Condition: when }),
})

/** What a service of AWS may do to the resource that the policy belongs to. */
export const allowService = (
  service: string,
  actions: readonly string[],
  resources: Text | readonly Text[],
  when?: Conditions,
): Statement => ({
  Effect: 'Allow',
  Principal: { Service: service },
  Action: actions,
  Resource: resources,
  ...(when && { Condition: when }),
})

/** Who may become a role: servers. */
export const TRUST_SERVERS = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
}
