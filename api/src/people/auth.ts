// Accounts and sessions by better-auth: e-mail and password, roles on the installation (admin plugin), the one
// organization that is the installation. Nobody can sign up: the owner comes by the set-up link (setup.ts), everybody
// else by an invitation (invitations.ts).
import { apiKey } from '@better-auth/api-key'
import { betterAuth } from 'better-auth'
import { prismaAdapter } from 'better-auth/adapters/prisma'
import { createAccessControl } from 'better-auth/plugins/access'
import { admin } from 'better-auth/plugins/admin'
import { adminAc, defaultStatements, userAc } from 'better-auth/plugins/admin/access'
import { organization } from 'better-auth/plugins/organization'
import type { Logger } from 'pino'
import { LIMITS } from '../../../contract/limits.ts'
import { PUBLIC_PATHS } from '../../../contract/ports.ts'
import { trustedOrigins } from '../access/origins.ts'
import type { Config } from '../config.ts'
import type { Prisma } from '../database/prisma.ts'

/** Seconds. A session lives this long after its last day of use. */
export const SESSION_SECONDS = 7 * 24 * 3600
/** Seconds. A session that is used is renewed when it is older than this. */
export const SESSION_RENEWAL_SECONDS = 24 * 3600

/** What every API key begins with, so that one that leaks is known for what it is. */
export const KEY_PREFIX = 'terrace_'
export const KEY_LENGTH = 64

/** The request header in which http/ tells better-auth the client's address: no client can set it. */
export const ADDRESS_HEADER = 'x-terrace-client-address'

const COOKIE_PREFIX = 'terrace'

/** The session cookie's name; browsers take `__Secure-` only over https. */
export function sessionCookieName(config: Config): string {
  return `${config.secureCookies ? '__Secure-' : ''}${COOKIE_PREFIX}.session_token`
}

const ac = createAccessControl(defaultStatements)

export interface AuthDependencies {
  readonly config: Config
  readonly prisma: Prisma
  readonly log: Logger
  /** Called after a session's row is gone. */
  readonly onSessionEnded: (userId: string) => Promise<void>
}

export function createAuth({ config, prisma, log, onSessionEnded }: AuthDependencies) {
  return betterAuth({
    appName: 'Terrace',
    baseURL: config.publicUrl,
    basePath: PUBLIC_PATHS.auth,
    secret: config.authSecret,
    database: prismaAdapter(prisma, { provider: 'postgresql', transaction: true }),
    trustedOrigins: trustedOrigins(config),
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: LIMITS.passwordMinLength,
      maxPasswordLength: LIMITS.passwordMaxLength,
    },
    session: {
      expiresIn: SESSION_SECONDS,
      updateAge: SESSION_RENEWAL_SECONDS,
      cookieCache: { enabled: false },
    },
    plugins: [
      admin({
        defaultRole: 'member',
        adminRoles: ['owner'],
        ac,
        roles: { owner: ac.newRole(adminAc.statements), member: ac.newRole(userAc.statements) },
      }),
      organization({ allowUserToCreateOrganization: false, disableOrganizationDeletion: true }),
      // A key opens the doors (doors/) and nothing else: it is no session, here or in http/.
      apiKey(
        {
          enableSessionForAPIKeys: false,
          defaultPrefix: KEY_PREFIX,
          defaultKeyLength: KEY_LENGTH,
          requireName: true,
          maximumNameLength: LIMITS.apiKeyNameLength,
          startingCharactersConfig: { shouldStore: true, charactersLength: KEY_PREFIX.length + 4 },
          // Counted where all other rates are (http/limits.ts).
          rateLimit: { enabled: false },
        },
        { schema: { apikey: { modelName: 'apiKey' } } },
      ),
    ],
    databaseHooks: { session: { delete: { after: (session) => onSessionEnded(session.userId) } } },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    advanced: {
      cookiePrefix: COOKIE_PREFIX,
      useSecureCookies: config.secureCookies,
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax', path: '/' },
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
    },
    logger: {
      // Its lines may carry addresses and e-mail addresses: the message is enough, further arguments are dropped.
      log: (level, message) => log[level === 'error' ? 'warn' : 'debug']({ from: 'better-auth' }, message),
    },
  })
}

export type Auth = ReturnType<typeof createAuth>
