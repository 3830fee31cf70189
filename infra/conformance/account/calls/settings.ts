// Who one is, parameters, roles.
import {
  CreateServiceLinkedRoleCommand,
  GetOpenIDConnectProviderCommand,
  GetRoleCommand,
} from '@aws-sdk/client-iam'
import {
  DeleteParameterCommand,
  GetParameterCommand,
  GetParametersByPathCommand,
  PutParameterCommand,
} from '@aws-sdk/client-ssm'
import type { Aws } from '../../../../aws/port.ts'
import { whoAmI } from '../../../../aws/port.ts'
import type { Call } from './call.ts'

const put =
  (Name: string, Value: string, more: { Overwrite?: boolean } = {}) =>
  async (aws: Aws) => {
    const { Version } = await aws.ssm.send(new PutParameterCommand({ Name, Value, Type: 'String', ...more }))
    return { Version }
  }
const get = (Name: string) => async (aws: Aws) => {
  const { Parameter } = await aws.ssm.send(new GetParameterCommand({ Name }))
  return {
    Name: Parameter?.Name,
    Type: Parameter?.Type,
    Value: Parameter?.Value,
    Version: Parameter?.Version,
  }
}
const below = (Path: string, more: { Recursive?: boolean; MaxResults?: number }) => async (aws: Aws) => {
  const names: (string | undefined)[][] = []
  let NextToken: string | undefined
  do {
    const page = await aws.ssm.send(
      new GetParametersByPathCommand({ Path, ...more, ...(NextToken !== undefined && { NextToken }) }),
    )
    names.push((page.Parameters ?? []).map(({ Name }) => Name).sort())
    NextToken = page.NextToken
  } while (NextToken !== undefined)
  return names
}
const NAME = '/terrace/calls/one'

export const SETTINGS_CALLS: readonly Call[] = [
  {
    what: 'sts: who one is',
    ask: async (aws) => {
      const { account, arn } = await whoAmI(aws)
      return { isAccount: /^\d{12}$/.test(account), isOfIt: arn.includes(`::${account}:`) }
    },
  },
  { what: 'ssm: get of nothing', ask: get(NAME) },
  { what: 'ssm: put', ask: put(NAME, 'one') },
  { what: 'ssm: put again', ask: put(NAME, 'two') },
  { what: 'ssm: put over it', ask: put(NAME, 'two', { Overwrite: true }) },
  { what: 'ssm: get', ask: get(NAME) },
  {
    what: 'ssm: below a path, not deep',
    ask: async (aws) => {
      await put('/terrace/calls/two', 'x')(aws)
      await put('/terrace/calls/deep/three', 'x')(aws)
      await put('/terrace/callsign', 'x')(aws)
      return below('/terrace/calls', {})(aws)
    },
  },
  { what: 'ssm: below a path, deep', ask: below('/terrace/calls/', { Recursive: true }) },
  { what: 'ssm: below a path, in pages', ask: below('/terrace/calls', { Recursive: true, MaxResults: 2 }) },
  { what: 'ssm: below a path that is not there', ask: below('/terrace/nothing', {}) },
  { what: 'ssm: put more than one holds', ask: put('/terrace/large', 'x'.repeat(4_097)) },
  {
    what: 'ssm: below a path, in pages that are too large',
    ask: below('/terrace/nothing', { MaxResults: 11 }),
  },
  {
    what: 'ssm: delete',
    ask: (aws) => aws.ssm.send(new DeleteParameterCommand({ Name: NAME })).then(() => ({})),
  },
  {
    what: 'ssm: delete of nothing',
    ask: (aws) => aws.ssm.send(new DeleteParameterCommand({ Name: NAME })).then(() => ({})),
  },
  {
    what: 'iam: a role that is not there',
    ask: (aws) => aws.iam.send(new GetRoleCommand({ RoleName: 'AWSServiceRoleForRDS' })).then(() => ({})),
  },
  {
    what: 'iam: the role of a service',
    ask: async (aws) => {
      const { Role } = await aws.iam.send(
        new CreateServiceLinkedRoleCommand({ AWSServiceName: 'rds.amazonaws.com' }),
      )
      return { RoleName: Role?.RoleName, Path: Role?.Path }
    },
  },
  {
    what: 'iam: the role of a service, found by its name',
    ask: async (aws) => {
      const { Role } = await aws.iam.send(new GetRoleCommand({ RoleName: 'AWSServiceRoleForRDS' }))
      return { RoleName: Role?.RoleName, Path: Role?.Path }
    },
  },
  {
    what: 'iam: the role of a service, again',
    ask: (aws) =>
      aws.iam
        .send(new CreateServiceLinkedRoleCommand({ AWSServiceName: 'rds.amazonaws.com' }))
        .then(() => ({})),
  },
  {
    what: 'iam: a provider that is not there',
    ask: async (aws) => {
      const { account } = await whoAmI(aws)
      const OpenIDConnectProviderArn = `arn:aws:iam::${account}:oidc-provider/example.com`
      await aws.iam.send(new GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }))
    },
  },
]
