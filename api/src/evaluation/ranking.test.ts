import { expect, test } from 'vitest'
import { rankDocuments } from './ranking.ts'

/** A search over passages that are named by their documents. */
function searching(passages: readonly string[]) {
  const asked: number[] = []
  const search = async (limit: number) => {
    asked.push(limit)
    return passages.slice(0, limit)
  }
  return { asked, search }
}

test('a document stands where its best passage does', async () => {
  const { search } = searching(['a', 'b', 'a', 'c', 'b'])
  expect((await rankDocuments(search, 20)).documents).toEqual(['a', 'b', 'c'])
})

test('no more is asked for than is needed, nor when there is nothing more', async () => {
  const many = searching(Array.from({ length: 300 }, (_, i) => `d${i}`))
  expect(await rankDocuments(many.search, 20)).toMatchObject({ limit: 50, cut: false })
  const few = searching(['a', 'b'])
  expect(await rankDocuments(few.search, 20)).toMatchObject({ documents: ['a', 'b'], limit: 50, cut: false })
  expect([...many.asked, ...few.asked]).toEqual([50, 50])
})

test('documents of many passages are asked for more deeply, to 200, and then it says that some are missing', async () => {
  const six = searching(Array.from({ length: 300 }, (_, i) => `d${Math.floor(i / 6)}`))
  const found = await rankDocuments(six.search, 20)
  expect([six.asked, found.limit, found.cut]).toEqual([[50, 100, 200], 200, false])
  const huge = searching(Array.from({ length: 300 }, (_, i) => `d${Math.floor(i / 50)}`))
  expect(await rankDocuments(huge.search, 20)).toEqual({
    documents: ['d0', 'd1', 'd2', 'd3'],
    limit: 200,
    cut: true,
  })
})

test('what a deeper answer orders differently stays as the first one had it', async () => {
  const search = async (limit: number) => [
    ...(limit === 50 ? ['a', 'b'] : ['b', 'new', 'a']),
    ...Array(limit).fill('a'),
  ]
  const { documents } = await rankDocuments(async (limit) => (await search(limit)).slice(0, limit), 3)
  expect(documents).toEqual(['a', 'b', 'new'])
})
