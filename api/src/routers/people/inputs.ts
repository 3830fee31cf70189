import { z } from 'zod'
import { INSTALLATION_ROLES } from '../../../../contract/stages.ts'

/** What people are called; control characters would upset terminals and pages alike. */
export const personNameInput = z
  .string()
  .trim()
  .min(1)
  .max(120)
  .regex(/^\P{C}*$/u, 'has characters that can not be shown')

export const emailInput = z.string().trim().max(320).pipe(z.email())

/** Its length is judged by people/accounts.ts, with a code of its own. */
export const passwordInput = z.string().max(1_024)

export const userIdInput = z.string().min(1).max(100)
export const installationRole = z.enum(INSTALLATION_ROLES)
