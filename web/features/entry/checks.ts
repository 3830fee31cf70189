// What can be said about a form before anybody is asked. The server checks again, and knows more.
import { LIMITS } from '../../../contract/limits.ts'
import { addSentences, t } from '../../lib/t.ts'
import { entry } from '../../locales/en/entry.ts'

// For all pages with such forms.
addSentences(entry)

/** What is wrong, or null. */
export type Check = (value: string) => string | null

export const checkName: Check = (name) => (name.trim() === '' ? t('entry.needName') : null)

export const checkEmail: Check = (email) =>
  /^\S+@\S+\.\S+$/.test(email.trim()) ? null : t('entry.needEmail')

export const checkPassword: Check = (password) => (password === '' ? t('entry.needPassword') : null)

export const checkNewPassword: Check = (password) => {
  if (password.length < LIMITS.passwordMinLength) {
    return t('entry.passwordTooShort', { min: LIMITS.passwordMinLength })
  }
  if (password.length > LIMITS.passwordMaxLength) {
    return t('entry.passwordTooLong', { max: LIMITS.passwordMaxLength })
  }
  return null
}
