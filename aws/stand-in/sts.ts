import type { GetCallerIdentityCommandOutput } from '@aws-sdk/client-sts'
import type { Operations } from './service.ts'

export const securityTokens = (account: string): Operations => ({
  GetCallerIdentity: (): Omit<GetCallerIdentityCommandOutput, '$metadata'> => ({
    Account: account,
    Arn: `arn:aws:sts::${account}:assumed-role/Deployer/jo`,
    UserId: 'AROAEXAMPLE:jo',
  }),
})
