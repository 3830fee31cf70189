// A Terrace that runs already, asked as one of its people: the golden questions of a collection that they may see.
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client'
import superjson from 'superjson'
import { SetProblem, type SetQuestion } from '../../api/src/evaluation/beir.ts'
import type { AppRouter } from '../../api/src/routers/router.ts'
import { PUBLIC_PATHS } from '../../contract/ports.ts'

export interface GoldenSet {
  readonly api: TRPCClient<AppRouter>
  readonly name: string
  readonly documents: number
  readonly questions: readonly SetQuestion[]
  /** Questions whose right documents were all deleted. */
  readonly unanswerable: number
}

/** @throws SetProblem when Terrace can't be reached, the account is refused, or there is nothing to ask */
export async function openGoldenSet(
  collectionId: string,
  options: { readonly url: string; readonly email: string; readonly password: string },
  signal: AbortSignal,
): Promise<GoldenSet> {
  const url = options.url.replace(/\/+$/, '')
  const cookie = await signIn(url, options, signal)
  const headers = { cookie, origin: new URL(url).origin }
  const api = createTRPCClient<AppRouter>({
    links: [httpLink({ url: url + PUBLIC_PATHS.trpc, transformer: superjson, headers })],
  })
  const [collection, golden] = await Promise.all([
    api.collections.get.query({ id: collectionId }, { signal }),
    api.goldenQuestions.list.query({ collectionId }, { signal }),
  ]).catch((error: unknown) => {
    throw new SetProblem(`collection ${collectionId}: ${error instanceof Error ? error.message : error}`)
  })
  const answerable = golden.filter(({ answers }) => answers.length > 0)
  if (answerable.length === 0)
    throw new SetProblem(
      `“${collection.name}” has no golden questions yet: ${url}/collections/${collectionId}/test-bench`,
    )
  return {
    api,
    name: collection.name,
    documents: collection.documents,
    questions: answerable.map(({ id, text, answers }) => ({
      id,
      text,
      judgements: new Map(answers.map(({ documentId }) => [documentId, 1])),
    })),
    unanswerable: golden.length - answerable.length,
  }
}

async function signIn(
  url: string,
  { email, password }: { readonly email: string; readonly password: string },
  signal: AbortSignal,
): Promise<string> {
  const response = await fetch(`${url}${PUBLIC_PATHS.auth}/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: new URL(url).origin },
    body: JSON.stringify({ email, password }),
    signal,
  }).catch((error: unknown) => {
    if (signal.aborted) throw error
    throw new SetProblem(`${url} can not be reached: is Terrace running there? (--url says where)`)
  })
  if (!response.ok) {
    const said = (await response.json().catch(() => null)) as { message?: string } | null
    throw new SetProblem(`${url}: ${said?.message ?? `status ${response.status}`}`)
  }
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(';')[0])
    .join('; ')
}
