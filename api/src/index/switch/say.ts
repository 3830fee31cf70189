// What `npm run engine` says, in lines.
import { ENGINE_NAMES, type EngineName } from '../../engine-names.ts'
import type { Comparison, Counts } from './checks.ts'
import type { Choice } from './choice.ts'
import type { ServerState } from './servers.ts'

/** Of ten answers to a question, so many have to be the same, over all questions. A cluster's search is approximate. */
export const LEAST_OVERLAP = 0.95

const number = (value: number) => Math.round(value).toLocaleString('en-US').replaceAll(',', ' ')
const percent = (share: number) => `${(share * 100).toFixed(1)} %`

export function sayStatus(choice: Choice | null, servers: readonly ServerState[]): string[] {
  const lines = [answering(choice, servers)]
  if (choice?.beside != null) lines.push(besides(choice))
  if (servers.length === 0) lines.push('No API server runs.')
  for (const server of servers) {
    const engines = ENGINE_NAMES.flatMap((name) => {
      const text = engineLine(server, name)
      return text === null ? [] : [text]
    })
    const late =
      choice !== null && server.heard < choice.number ? '; has not heard of the last change yet' : ''
    lines.push(`  ${server.name}: answers by ${server.answers}; ${engines.join('; ')}${late}`)
  }
  return lines
}

function answering(choice: Choice | null, servers: readonly ServerState[]): string {
  if (choice !== null) return `${choice.engine} answers.`
  const engines = [...new Set(servers.map(({ answers }) => answers))]
  return engines.length === 1
    ? `${engines[0]} answers, as INDEX_ENGINE says. Nobody has switched yet.`
    : 'Nobody has switched yet: each server answers as its INDEX_ENGINE says.'
}

function besides({ beside, rate }: Choice): string {
  if (beside === null) return ''
  const limit = rate === null ? '' : `, with ${number(rate)} passages a second at most`
  const { engine, phase } = beside
  if (phase === 'building')
    return `${engine} is built beside it${limit}. Go on: npm run engine -- switch ${engine}. Give it up: npm run engine -- cancel`
  if (phase === 'way-back')
    return `${engine} is kept up to date. Back to it: npm run engine -- back. Give it up: npm run engine -- finish`
  return `${engine} is given up; its copy is being removed.`
}

function engineLine({ engines }: ServerState, name: EngineName): string | null {
  const state = engines[name]
  if (state === undefined) return null
  if (state.trouble !== null) return `${name}: ${state.trouble}`
  if (state.filling !== null) return `${name}: ${filled(state.filling)}`
  if (!state.ready) return `${name}: loading`
  return `${name}: ${number(state.passages)} passages, ${number(state.vectors)} vectors, at ${state.seq} of the log`
}

/** How far it is, in one line. */
export function sayProgress({ beside }: Choice, servers: readonly ServerState[], why: string): string {
  const wanted = beside?.engine
  if (wanted === undefined) return why
  const filling = servers.map(({ engines }) => engines[wanted]?.filling).find((one) => one != null)
  if (filling != null) return `${wanted}: ${filled(filling)}`
  const ready = servers.filter(({ engines }) => engines[wanted]?.ready === true).length
  return `${wanted}: ready on ${ready} of ${servers.length} servers (${why})`
}

function filled({ done, total, perSecond }: { done: number; total: number; perSecond: number }): string {
  const text = `${number(done)} of ${number(total)} passages`
  if (perSecond < 0.1 || done >= total) return text
  return `${text}, ${number(perSecond)} a second, about ${duration((total - done) / perSecond)} left`
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`
}

export function sayComparison({ seq, counts, questions, overlap, worst }: Comparison): string[] {
  const line = (name: EngineName, { documents, passages, vectors, generation }: Counts) =>
    `  ${name}: ${number(documents)} documents, ${number(passages)} passages, ${number(vectors)} vectors of search model ${generation ?? '-'}`
  return [
    `At ${seq} of the log:`,
    ...ENGINE_NAMES.map((name) => line(name, counts[name])),
    `Of the ten best of ${number(questions)} questions, ${percent(overlap)} are the same.`,
    ...worst.map(
      ({ question, overlap: share, only }) =>
        `  ${question}: ${percent(share)}; only embedded: ${only.embedded.join(' ') || '-'}; only opensearch: ${only.opensearch.join(' ') || '-'}`,
    ),
  ]
}

/** Null: they are. Else why not, in a sentence. */
export function enoughAlike({ counts, overlap }: Comparison): string | null {
  const { embedded, opensearch } = counts
  for (const what of ['documents', 'passages', 'vectors', 'generation'] as const)
    if (embedded[what] !== opensearch[what])
      return `The engines do not hold the same ${what === 'generation' ? 'search model' : what}.`
  return overlap < LEAST_OVERLAP ? `Less than ${percent(LEAST_OVERLAP)} of the answers are the same.` : null
}
