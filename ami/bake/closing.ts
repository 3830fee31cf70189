// A builder that was made for a bake goes with it, however that ends.
import { explain, Problem } from '../../local/problem.ts'
import { BakeFailure } from '../ledger/failure.ts'
import type { Builder } from './local-builder.ts'

/** @throws what `work` throws; BakeFailure with both, when the builder could not be closed either */
export async function closing<T>({ close }: Pick<Builder, 'close'>, work: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    try {
      await close?.()
    } catch (another) {
      throw new BakeFailure(`${inWords(error)}\n${inWords(another)}`, { cause: error })
    }
    throw error
  }
  await close?.()
  return result
}

function inWords(error: unknown): string {
  if (error instanceof Problem) return explain(error)
  return error instanceof Error ? error.message : String(error)
}
