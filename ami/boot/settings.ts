// What the Parameter Store and Secrets Manager hold for this server.
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { GetParametersByPathCommand } from '@aws-sdk/client-ssm'
import { type BootAws, inWords } from './aws.ts'

export type Values = Readonly<Record<string, string>>

/**
 * Parameters right below the path, decrypted, by their names without it.
 * @throws Error, a sentence with the path
 */
export async function readParameters(ssm: BootAws['ssm'], path: string): Promise<Values> {
  const found: Record<string, string> = {}
  let next: string | undefined
  try {
    do {
      const { Parameters = [], NextToken } = await ssm.send(
        new GetParametersByPathCommand({
          Path: path,
          WithDecryption: true,
          MaxResults: 10,
          ...(next !== undefined && { NextToken: next }),
        }),
      )
      for (const { Name, Value } of Parameters)
        if (Name !== undefined && Value !== undefined) found[Name.slice(path.length + 1)] = Value
      next = NextToken
    } while (next !== undefined && next !== '')
  } catch (error) {
    throw inWords(`The parameters below ${path} can not be read`, error)
  }
  return found
}

/**
 * Their texts, by variable.
 * @param secrets variable → ARN
 * @throws Error, a sentence with the variable and the ARN
 */
export async function readSecrets(
  secretsmanager: BootAws['secretsmanager'],
  secrets: Values,
): Promise<Values> {
  const found: Record<string, string> = {}
  for (const [name, arn] of Object.entries(secrets)) {
    const { SecretString } = await secretsmanager
      .send(new GetSecretValueCommand({ SecretId: arn }))
      .catch((error: unknown) => {
        throw inWords(`The secret of ${name} (${arn}) can not be read`, error)
      })
    if (SecretString === undefined)
      throw new Error(`The secret of ${name} (${arn}) is no text: give it one, and not bytes.`)
    found[name] = SecretString
  }
  return found
}
