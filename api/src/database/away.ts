// Whether an error says that the database is away: restarting, failing over, out of connections, not to be reached, or
// closed to this server for now. Then nothing is wrong with what was asked, and asking again soon is worth it.
import pg from 'pg'
import { NoAwsCredentials } from '../aws-credentials.ts'
import { SignInRefused } from './iam.ts'

/** Connections (08), resources (53: too many connections), and the server's own coming and going (57P). */
const SERVER_STATES = /^(?:08|53|57P)/

/** Complaints of pg itself, which have no code. */
const COMPLAINTS =
  /^(?:Connection terminated|timeout exceeded|Query read timeout|Client (?:was closed|has encountered))/

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
])

/** Ask it only about errors of statements: a model endpoint that refuses connections has the same code. */
export function databaseIsAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (error instanceof SignInRefused || error instanceof NoAwsCredentials) return true
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  if (error instanceof pg.DatabaseError) return SERVER_STATES.test(code)
  return NETWORK.has(code) || COMPLAINTS.test(error.message)
}
