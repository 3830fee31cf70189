import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright-core'

/** What WCAG 2.2 A and AA find wrong with the page as it is now, one line each; empty is good. */
export async function accessibilityFaults(page: Page): Promise<string[]> {
  // Colours that are on their way to others have no contrast that counts.
  await page.evaluate(
    'Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished.catch(() => {})))',
  )
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
  const { violations } = await new AxeBuilder({ page }).withTags(tags).analyze()
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`,
  )
}
