// What a server is told, apart from its image: its environment (DESIGN §10). Addresses stand in a parameter of the
// tier, secrets in Secrets Manager; the instance fetches both when it boots, and writes neither to its disk.
// Settings of the team's own (MODELS, keys) are parameters that the operator puts beside it: PATH/NAME.
import { DATABASE_CA_FILE } from '../contract/launch.ts'
import { PORTS } from '../contract/ports.ts'
import type { Balancing } from './balancing.ts'
import { GOES_WITH_STACK, json, type Resource, type Stack, sub, type Token } from './cfn.ts'
import { APPLICATION_ROLE, DATABASE_NAME, type Database } from './database.ts'
import { DATABASE_PORT } from './network.ts'
import { type Search, searchVariables } from './search.ts'
import type { Stage } from './stage-schema.ts'
import type { StageName } from './stages.ts'
import { PREFIX } from './storage.ts'

export type Tier = 'web' | 'api'
export const TIERS = ['api', 'web'] as const satisfies readonly Tier[]
export const capital = (tier: Tier) => (tier === 'web' ? 'Web' : 'Api')

type Secret = Resource<'AWS::SecretsManager::Secret'>
export interface Environment {
  /** `/terrace/STAGE/TIER`, below which the tier's parameters lie. */
  readonly path: string
  readonly parameter: Resource<'AWS::SSM::Parameter'>
  /** Changes with what the parameter says: servers that read it once are replaced then. */
  readonly fingerprint: object
  /** By the variable that each becomes; the owner's secret is a name and a password for DATABASE_URL. */
  readonly secrets: Readonly<Record<string, Secret>>
  readonly logGroup: Resource<'AWS::Logs::LogGroup'>
}

export function environments(
  stack: Stack,
  name: StageName,
  stage: Stage,
  database: Database,
  documents: Resource<'AWS::S3::Bucket'>,
  balancing: Balancing,
  search: Search | undefined,
): Readonly<Record<Tier, Environment>> {
  const migratesAtStart = stage.migrations === 'at-start'
  const databaseAt = (instance: Database['primary']) =>
    sub('postgresql://${role}${host}:${port}/${database}', {
      // The owner's name comes with the owner's password.
      role: migratesAtStart ? '' : `${APPLICATION_ROLE}@`,
      host: instance.att('Endpoint.Address'),
      port: String(DATABASE_PORT),
      database: DATABASE_NAME,
    })
  const authSecret = secret(
    stack,
    'AuthSecret',
    'Signs sessions and derives the application’s other keys',
    true,
  )
  const setupToken = secret(stack, 'SetupToken', 'The one-time link that makes the owner’s account', false)
  const environment = (tier: Tier, variables: Variables, secrets: Environment['secrets']): Environment => {
    const path = `/terrace/${name}/${tier}`
    const document = { ...variables, AWS_REGION: stage.region, TERRACE_STAGE: name }
    return {
      path,
      secrets,
      fingerprint: document,
      parameter: stack.add(`${capital(tier)}Environment`, 'AWS::SSM::Parameter', {
        Name: `${path}/environment`,
        Description: `Environment of the ${tier} servers, as the stack knows it`,
        Type: 'String',
        Value: json(document),
      }),
      logGroup: stack.add(
        `${capital(tier)}Logs`,
        'AWS::Logs::LogGroup',
        { RetentionInDays: stage.logDays },
        GOES_WITH_STACK,
      ),
    }
  }
  return {
    api: environment(
      'api',
      {
        HOST: '0.0.0.0',
        PORT: String(PORTS.api),
        PUBLIC_URL: balancing.publicUrl,
        // The internal load balancer and the web server, which has replaced what stood there by what it found.
        TRUSTED_PROXY_HOPS: '2',
        DATABASE_URL: databaseAt(database.primary),
        ...(database.replica && { DATABASE_REPLICA_URL: databaseAt(database.replica) }),
        DATABASE_CA: DATABASE_CA_FILE,
        DATABASE_AUTH: migratesAtStart ? 'password' : 'iam',
        MIGRATE_AT_START: migratesAtStart ? '1' : '0',
        STORAGE: sub('s3://${bucket}/${prefix}', { bucket: documents.ref, prefix: PREFIX }),
        ...searchVariables(stage, search),
      },
      {
        AUTH_SECRET: authSecret,
        SETUP_TOKEN: setupToken,
        ...(migratesAtStart && { DATABASE_URL: database.ownerSecret }),
      },
    ),
    web: environment(
      'web',
      {
        HOSTNAME: '0.0.0.0',
        PORT: String(PORTS.web),
        NEXT_MANUAL_SIG_HANDLE: '1',
        API_URL: sub('http://${host}', { host: balancing.api.balancer.att('DNSName') }),
        TRUSTED_PROXY_HOPS: '1',
      },
      {},
    ),
  }
}

type Variables = Readonly<Record<string, string | Token<string>>>

/** @param outlives whether it stays when the stack goes: what it signed or derived stays too */
function secret(stack: Stack, id: string, description: string, outlives: boolean): Secret {
  return stack.add(
    id,
    'AWS::SecretsManager::Secret',
    {
      Description: description,
      GenerateSecretString: { PasswordLength: 64, ExcludePunctuation: true },
    },
    outlives ? { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' } : GOES_WITH_STACK,
  )
}
