// Answers that this page gets from the model endpoint itself (direct/), as far as every chat page has to know of them:
// whether there is such an endpoint, and the code, which comes when it is first needed.
import { useEffect } from 'react'
import type { DirectAnswer } from './direct/direct-answer.ts'
import type { ModelList } from './models.ts'

type DirectAnswers = typeof import('./direct/direct-answers.ts')

let loaded: DirectAnswers | undefined

async function load(): Promise<DirectAnswers | undefined> {
  // Without it a server writes the answer.
  loaded ??= await import('./direct/direct-answers.ts').catch(() => undefined)
  return loaded
}

/** The web server names the endpoint in its pages (pages/_document.tsx): one build serves every stage. */
const offersDirect = (model: string, list: ModelList | undefined): boolean =>
  document.querySelector('meta[name=terrace-model-endpoint]') !== null &&
  list?.models.some(({ id, direct }) => id === model && direct) === true

/** What can get this model's answers here; undefined when that is a server's to do. */
export async function directPath(
  model: string,
  list: ModelList | undefined,
): Promise<DirectAnswers | undefined> {
  const direct = offersDirect(model, list) ? await load() : undefined
  return direct?.mayTry() ? direct : undefined
}

/** An answer that this page is getting. */
export function directAnswer(answerId: string): DirectAnswer | undefined {
  return loaded?.findDirect(answerId)
}

/** So that the first question need not wait for the code. */
export function useDirectPrefetch(model: string, list: ModelList | undefined): void {
  useEffect(() => {
    // Safari has no idle moments to offer.
    if (offersDirect(model, list)) (globalThis.requestIdleCallback ?? setTimeout)(() => void load())
  }, [model, list])
}
