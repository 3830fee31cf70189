// Sign-in to Amazon RDS by IAM: instead of a password, a token that the machine's AWS credentials sign. It is good for new
// connections for 15 minutes (less if the credentials end before), so it is kept for a few, for each address and role,
// and made anew when the database refuses it. It stands in no log and in no error.
import pg from 'pg'
import { type AwsCredentialSource, createAwsCredentials } from '../aws-credentials.ts'

/** Where to, and as whom. */
export interface SignInAddress {
  readonly host: string
  readonly port: number
  /** PostgreSQL's role. */
  readonly role: string
  /** The instance's, that the token is signed for. */
  readonly region: string
}

export interface Tokens {
  /** @throws NoAwsCredentials */
  current(): Promise<string>
  /** The next one is made anew, with credentials that are asked for anew. */
  refused(token: string): void
}

/** Makes a token; `anew`: with credentials that are asked for now. */
export type SignToken = (address: SignInAddress, anew: boolean) => Promise<string>

/** Milliseconds that a token is used for, of the 15 minutes that it is good for. */
const KEEP_MS = 5 * 60_000

export function createTokens(
  address: SignInAddress,
  sign: SignToken = signToken,
  now: () => number = Date.now,
): Tokens {
  let kept: { readonly token: Promise<string>; readonly until: number } | undefined
  let known: string | undefined
  let anew = false
  return {
    async current() {
      if (kept === undefined || now() >= kept.until) {
        const made = { token: sign(address, anew), until: now() + KEEP_MS }
        kept = made
        made.token.then(
          () => {
            anew = false
          },
          () => {
            if (kept === made) kept = undefined
          },
        )
      }
      const token = await kept.token
      known = token
      return token
    },
    refused(token) {
      // Of many connections that were refused the same one, the first has it replaced.
      if (token !== known) return
      known = undefined
      kept = undefined
      anew = true
    },
  }
}

const shared = new Map<string, Tokens>()

/** Those of this process: its pools and listeners ask for one token together. */
export function tokensFor(address: SignInAddress): Tokens {
  const key = JSON.stringify([address.host, address.port, address.role, address.region])
  const tokens = shared.get(key) ?? createTokens(address)
  shared.set(key, tokens)
  return tokens
}

let credentials: AwsCredentialSource | undefined

async function signToken({ host, port, role, region }: SignInAddress, anew: boolean): Promise<string> {
  // Loaded where it is needed: most installations sign in with a password.
  const { Signer } = await import('@aws-sdk/rds-signer')
  credentials ??= createAwsCredentials()
  const identity = await credentials.current(anew)
  return await new Signer({
    hostname: host,
    port,
    username: role,
    region,
    credentials: identity,
  }).getAuthToken()
}

/** The database did not let the role in. */
export class SignInRefused extends Error {
  constructor({ host, role }: SignInAddress, cause: Error) {
    super(
      `the database at ${host} refused the role ${role} (DATABASE_AUTH=iam): the server's AWS role has to be allowed ` +
        `rds-db:connect for ${role} on this instance, IAM sign-in has to be on there, and ${role} has to exist with ` +
        'LOGIN and be a member of rds_iam',
      { cause },
    )
    this.name = 'SignInRefused'
  }
}

/** invalid_authorization_specification (RDS: "PAM authentication failed"), invalid_password. */
const REFUSALS = new Set(['28000', '28P01'])

type OnConnect = (error: Error | null, client?: pg.Client) => void

/** A connection that asks for a token when the database asks for the password. */
export class IamClient extends pg.Client {
  readonly #address: SignInAddress
  readonly #tokens: Tokens
  readonly #used: { token: string | undefined }

  constructor(config: pg.ClientConfig, address: SignInAddress, tokens: Tokens) {
    const used: { token: string | undefined } = { token: undefined }
    super({
      ...config,
      password: async () => {
        used.token = await tokens.current()
        return used.token
      },
    })
    this.#address = address
    this.#tokens = tokens
    this.#used = used
  }

  /** @throws SignInRefused, NoAwsCredentials, what the network or the server says */
  override connect(): Promise<pg.Client>
  override connect(callback: OnConnect): void
  override connect(callback?: OnConnect): Promise<pg.Client> | undefined {
    const connected = super.connect().then(
      () => this as pg.Client,
      (error: unknown) => {
        throw this.#failed(error)
      },
    )
    if (callback === undefined) return connected
    connected.then(
      (client) => callback(null, client),
      (error: Error) => callback(error),
    )
    return undefined
  }

  #failed(error: unknown): unknown {
    // Without a token nothing was said to the server: it would hold the connection open for a minute.
    this.end().catch(() => {})
    if (!(error instanceof pg.DatabaseError) || !REFUSALS.has(error.code ?? '')) return error
    if (this.#used.token !== undefined) this.#tokens.refused(this.#used.token)
    return new SignInRefused(this.#address, error)
  }
}

type OnCheckOut = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  done: (release?: Error | boolean) => void,
) => void

/** Whoever gets a connection that is refused gets another one, once, with a new token. */
export class IamPool extends pg.Pool {
  override connect(): Promise<pg.PoolClient>
  override connect(callback: OnCheckOut): void
  override connect(callback?: OnCheckOut): Promise<pg.PoolClient> | undefined {
    const client = super.connect().catch((error: unknown) => {
      if (error instanceof SignInRefused) return super.connect()
      throw error
    })
    if (callback === undefined) return client
    client.then(
      (client) => callback(undefined, client, (release) => client.release(release)),
      (error: Error) => callback(error, undefined, () => {}),
    )
    return undefined
  }
}
