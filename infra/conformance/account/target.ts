// What `npm run test:aws` runs against, from three variables: an emulator of its own (none of them set), whatever answers at
// AWS_ENDPOINT_URL, or a real account: only the one that TERRACE_TEST_ACCOUNT names, so that nobody's is taken by mistake.
import { isMinistack, startMinistack } from './ministack.ts'

export interface Target {
  /** `ministack`: the emulator that refuses and fakes what ministack-limits.ts lists; `other`: another one. */
  readonly kind: 'ministack' | 'other' | 'account'
  /** Undefined for AWS itself. */
  readonly endpoint: string | undefined
  /** What the SDK and serverless find it by, beside what the caller has set for a real account. */
  readonly env: Readonly<Record<string, string>>
  /** Named by TERRACE_TEST_ACCOUNT: anybody else's credentials are refused. */
  readonly account: string | undefined
  /** Started for the run, so that the programs of other emulators are there as well. */
  readonly isOwn: boolean
}

/** Credentials that no account has: whatever else may be behind an address, AWS would not let them in. */
const NOBODY = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }

export class UnusableTarget extends Error {
  override readonly name = 'UnusableTarget'
}

/** @throws UnusableTarget for an address that may be AWS's, without an account that is named */
export async function openTarget(
  env: Readonly<Record<string, string | undefined>>,
): Promise<Target & AsyncDisposable> {
  const endpoint = env.AWS_ENDPOINT_URL || undefined
  const account = env.TERRACE_TEST_ACCOUNT || undefined
  const ending = { [Symbol.asyncDispose]: async () => {} }
  if (account !== undefined) {
    if (!/^\d{12}$/.test(account))
      throw new UnusableTarget('TERRACE_TEST_ACCOUNT is not an account (12 digits).')
    return { kind: 'account', endpoint, account, env: {}, isOwn: false, ...ending }
  }
  if (endpoint === undefined) {
    const own = await startMinistack()
    return {
      kind: 'ministack',
      account,
      isOwn: true,
      ...reached(own.endpoint),
      [Symbol.asyncDispose]: own[Symbol.asyncDispose],
    }
  }
  if (!isHere(endpoint))
    throw new UnusableTarget(
      `AWS_ENDPOINT_URL is ${endpoint}, which is not on this machine. If an account is behind it, name it: TERRACE_TEST_ACCOUNT=N`,
    )
  return {
    kind: (await isMinistack(endpoint)) ? 'ministack' : 'other',
    account,
    isOwn: false,
    ...reached(endpoint),
    ...ending,
  }
}

const reached = (endpoint: string) => ({ endpoint, env: { AWS_ENDPOINT_URL: endpoint, ...NOBODY } })

function isHere(endpoint: string): boolean {
  return URL.canParse(endpoint) && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(endpoint).hostname)
}
