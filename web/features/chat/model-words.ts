// What is said of a model in the open selector: what it takes, what it costs, and why it may not answer now.
import { PASSAGES_MODEL } from '../../../contract/stages.ts'
import type { MenuChoice } from '../../components/ui/menu-choices.tsx'
import { addSentences, LOCALE, t } from '../../lib/t.ts'
import { models as sentences } from '../../locales/en/models.ts'
import type { Model } from './models.ts'

addSentences(sentences)

export function describeModel(
  model: Model,
  isDefault: boolean,
): Pick<MenuChoice, 'note' | 'description' | 'details' | 'faded'> {
  // A server of an older build does not say.
  const state = model.availability?.state ?? 'unknown'
  const reason = state === 'available' || state === 'unknown' ? '' : t(`models.${state}`)
  return {
    note: isDefault ? t('models.default') : undefined,
    description: model.id === PASSAGES_MODEL ? t('models.passages') : model.provider,
    details: [factsOf(model), reason],
    // It can be chosen and is then asked: what is known of it may have changed.
    faded: reason !== '' && state !== 'busy' && state !== 'not-listed',
  }
}

/** "8K tokens of context, answers up to 1K · $0.05 in, $0.38 out per million tokens"; what is not known is left out. */
export function factsOf(model: Model): string {
  const { price, requestsPerMinute } = model
  return [
    sizesOf(model),
    // An older server says nothing of it.
    price ? priceOf(price) : '',
    requestsPerMinute ? t('models.perMinute', { count: requestsPerMinute }) : '',
  ]
    .filter((fact) => fact !== '')
    .join(' · ')
}

function sizesOf({ contextTokens, maxOutputTokens }: Model): string {
  const context = sizeOf(contextTokens)
  const answer = sizeOf(maxOutputTokens)
  if (context === '') return answer === '' ? '' : t('models.answer', { answer })
  return answer === '' ? t('models.context', { context }) : t('models.both', { context, answer })
}

function priceOf({ input, output }: { input: number; output: number }): string {
  if (input === 0 && output === 0) return t('models.free')
  return t('models.price', { input: dollars(input), output: dollars(output) })
}

const compact = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 0 })

const sizeOf = (tokens: number | null) => (tokens ? compact.format(tokens) : '')

function dollars(amount: number): string {
  const digits = amount > 0 && amount < 0.01 ? 4 : 2
  return new Intl.NumberFormat(LOCALE, {
    ...{ style: 'currency', currency: 'USD' },
    ...{ minimumFractionDigits: 2, maximumFractionDigits: digits },
  }).format(amount)
}
