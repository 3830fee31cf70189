// What EC2 says when it starts no instance, or has ended one, and what that says of the image: mostly nothing.
// Codes: "Error codes for the Amazon EC2 API" and, for ended instances, "Troubleshoot Amazon EC2 instance launch issues".
import type { Instance } from '@aws-sdk/client-ec2'

/** No room, no such type there, or no address: another place may have it. */
const NO_ROOM = ['InsufficientInstanceCapacity', 'InsufficientFreeAddressesInSubnet', 'Unsupported']
/** What an account may have; more of it is asked for at Service Quotas, or others go. Every type of ours counts in the same quota. */
const LIMITS = [
  'InstanceLimitExceeded',
  'MaxIOPSLimitExceeded',
  'PendingVerification',
  'VcpuLimitExceeded',
  'VolumeLimitExceeded',
]
/** It turned itself off: whatever made it do so ran on it. */
const BY_ITSELF = 'Client.InstanceInitiatedShutdown'

const isNamed = (error: unknown, names: readonly string[]): error is Error =>
  error instanceof Error && names.includes(error.name)

export const isUnseen = (error: unknown): boolean => isNamed(error, ['InvalidInstanceID.NotFound'])
export const isUnseenImage = (error: unknown): boolean => isNamed(error, ['InvalidAMIID.NotFound'])
export const isNoRoom = (error: unknown): boolean => isNamed(error, NO_ROOM)
/** An earlier call with this token has started one that has been terminated since. */
export const isSpent = (error: unknown): boolean => isNamed(error, ['IdempotentInstanceTerminated'])

/** @returns AWS's words when the account may have no more; undefined for everything else */
export const limitOf = (error: unknown): string | undefined =>
  isNamed(error, LIMITS) ? `${error.message.replace(/\.$/, '')} (${error.name})` : undefined

/** @returns who or what has ended it, in AWS's words; undefined: itself, or AWS does not say */
export function endedByOthers(instance: Instance | undefined): string | undefined {
  const { Code: code, Message: message } = instance?.StateReason ?? {}
  if (code === undefined || code === BY_ITSELF) return undefined
  return message ?? code
}
