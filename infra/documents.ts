// What docs/ shows of the stack: the picture, and the tables of costs and of what AWS promises. They are made from the
// stage table; a test says so when they have fallen behind.
import type { Template } from './cfn.ts'
import { hasAllPrices, monthlyCost, promisedAvailability, promises, together } from './cost.ts'
import { drawStack } from './diagram.ts'
import type { TierImage } from './images.ts'
import { terrace } from './stack.ts'
import { STAGE_NAMES, STAGES, type StageName } from './stages.ts'

const PICTURE = 'docs/images/aws-stack.svg'
const PAGE = 'docs/aws.md'

/** Costs and pictures don't depend on which images servers start from. */
const ANY: TierImage = { id: 'ami-00000000', release: 'any', bootSeconds: 30, madeAt: '2026-11-28T00:00:00Z' }
const templateOf = (name: StageName): Template => terrace(name, STAGES[name], { api: ANY, web: ANY })

/**
 * Files by their names, with what should stand in them.
 * @param read the page as it is, of which only the tables are made here
 * @throws Error when the page has no place for a table
 */
export function documents(read: (file: string) => string): [file: string, text: string][] {
  const page = between(between(read(PAGE), 'costs', costs()), 'availability', availability())
  return [
    [PICTURE, drawStack(templateOf('prod'))],
    [PAGE, page],
  ]
}

function between(page: string, name: string, text: string): string {
  const [start, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`]
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${PAGE} has no place for ${name}`)
  return page.slice(0, from + start.length) + text + page.slice(to)
}

/** Numbers are in the last column. */
const table = (head: readonly string[], rows: readonly (readonly string[])[]) =>
  [head, head.map((_, index) => (index < head.length - 1 ? '---' : '--:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')

function costs(): string {
  const rows = STAGE_NAMES.flatMap((name) => {
    const lines = monthlyCost(STAGES[name], templateOf(name))
    const all = hasAllPrices(lines) ? '' : 'at least '
    return [
      ...lines.map(({ what, usd }) => [name, what, usd?.toFixed(0) ?? 'no price in the table']),
      [`**${name}**`, '**together**', `**${all}${together(lines).toFixed(0)}**`],
    ]
  })
  return table(['stage', 'what', 'USD a month'], rows)
}

function availability(): string {
  const percent = (part: number) => `${(part * 100).toFixed(2)} %`
  const rows = STAGE_NAMES.map((name) => {
    const { balancers, web, api, database } = promises(STAGES[name])
    const part = promisedAvailability(STAGES[name])
    return [
      name,
      ...[balancers, web, api, database, part].map(percent),
      `${((1 - part) * 8_760).toFixed(0)} h`,
    ]
  })
  const parts = ['two load balancers', 'web servers', 'API servers', 'database']
  return table(['stage', ...parts, 'together', 'which leaves a year'], rows)
}
