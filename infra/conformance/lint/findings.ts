// What linters found in templates, and what of it is waived.

export interface Finding {
  readonly tool: 'cfn-lint' | 'validate' | 'guard'
  readonly rule: string
  /** The resource, or '' for the template as a whole. */
  readonly on: string
  /** The template's name. */
  readonly template: string
  readonly message: string
}

export interface Waiver {
  readonly tool: Finding['tool']
  readonly rule: string
  /** Resources; exactly those that it is about. */
  readonly on: readonly string[]
  /** The templates in which it is waived; without it, all. */
  readonly in?: readonly string[]
  /** Why what the rule wants is not done. */
  readonly because: string
}

/**
 * What is left to be said, one line each: findings that nobody waived, and waivers, or parts of them, that waive nothing.
 * A rule that says several things, or one thing of several templates, has one line for each resource.
 */
export function remaining(findings: readonly Finding[], waivers: readonly Waiver[]): string[] {
  const open = Map.groupBy(
    findings.filter((finding) => !waivers.some((waiver) => covers(waiver, finding))),
    ({ tool, rule, on }) => `${tool} ${rule}${on === '' ? '' : ` on ${on}`}`,
  )
  return [
    ...[...open].map(([place, found]) => {
      const names = new Set(found.map(({ template }) => template))
      const messages = new Set(found.map(({ message }) => message))
      return `${place} (${[...names].join(', ')}): ${[...messages].join('; ')}`
    }),
    ...waivers.flatMap((waiver) => useless(waiver, findings)),
  ]
}

const covers = (waiver: Waiver, { tool, rule, on, template }: Finding): boolean =>
  waiver.tool === tool &&
  waiver.rule === rule &&
  waiver.on.includes(on) &&
  (waiver.in === undefined || waiver.in.includes(template))

function useless(waiver: Waiver, findings: readonly Finding[]): string[] {
  const covered = findings.filter((finding) => covers(waiver, finding))
  const idle = [
    ...waiver.on.filter((id) => !covered.some(({ on }) => on === id)).map((id) => `on ${id}`),
    ...(waiver.in ?? [])
      .filter((name) => !covered.some(({ template }) => template === name))
      .map((name) => `in ${name}`),
  ]
  return idle.map((part) => `waivers.ts: ${waiver.tool} ${waiver.rule} ${part} waives nothing`)
}
