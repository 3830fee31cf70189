import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { conflict } from '../../aws/stand-in/s3.ts'
import { deployedTemplate } from './change-set.ts'
import { BUCKET, NAME, Rehearsal, small } from './rehearsal.ts'
import { hashOf, inAscii } from './template.ts'

let here: Rehearsal
beforeEach(() => {
  here = new Rehearsal()
})
const keyOf = (size: string) =>
  `stages/staging/templates/${hashOf(inAscii(JSON.stringify(small(size))))}.json`
/** Whoever may write into the bucket, before we do. */
const putThere = (size: string, instead: object) =>
  here.world.aws.s3.send(
    new PutObjectCommand({ Bucket: BUCKET, Key: keyOf(size), Body: JSON.stringify(instead) }),
  )

test('characters that CloudFormation does not give back are sent as others that mean the same', async () => {
  const text = JSON.stringify({ 'it’s': '\u{1f512} é "\\' })
  expect(inAscii(text)).toMatch(/^[\0-\x7f]+$/)
  expect(JSON.parse(inAscii(text))).toEqual(JSON.parse(text))
  const template = small('it’s')
  await here.bring(template)
  expect(here.stack.resources.get('Size')?.properties.Value).toBe('it’s')
  // As it is there, and not full of question marks.
  expect(JSON.parse(await deployedTemplate(here.world.aws, NAME))).toEqual(template)
})

describe('another template under the name of ours', () => {
  test('is not carried out, nor shown: the change set goes, and it is said where it lies', async () => {
    await here.bring(small('1'))
    await putThere('2', small('666'))
    await expect(here.bring(small('2'))).rejects.toMatchObject({
      name: 'StackFailure',
      message: expect.stringContaining(`find out who wrote s3://${BUCKET}/${keyOf('2')}`),
    })
    expect(here.plans).toHaveLength(1)
    expect([...here.stack.changeSets.values()].every(({ hasBegun }) => hasBegun)).toBe(true)
    expect(here.stack.resources.get('Size')?.properties.Value).toBe('1')
  })

  test('also when it would change nothing: it is not taken for what was to be there', async () => {
    await here.bring(small('1'))
    await putThere('2', small('1'))
    await expect(here.bring(small('2'))).rejects.toThrow('has read another template')
    expect(here.stack.changeSets.size).toBe(1)
  })

  test('nor is a stack made of it, and none is left', async () => {
    await putThere('1', small('666'))
    await expect(here.bring(small('1'))).rejects.toThrow('has read another template')
    expect(here.stack.deletedAt).toBeDefined()
  })

  test('by a byte that means nothing', async () => {
    const text = JSON.stringify(small('1'))
    await here.world.aws.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key: keyOf('1'), Body: `${text} ` }))
    await expect(here.bring(small('1'))).rejects.toThrow('has read another template')
  })
})

test('the same one that is there already is what is read', async () => {
  await putThere('1', small('1'))
  expect(await here.bring(small('1'))).toBe('changed')
})

test('two that upload the same at once: it is tried again, and said when it does not end', async () => {
  here.world.faults.add({ operation: 'PutObject', times: 3, error: conflict() })
  expect(await here.bring(small('1'))).toBe('changed')
  here.world.faults.add({ operation: 'PutObject', times: 99, error: conflict() })
  await expect(here.bring(small('2'))).rejects.toThrow(`could not be put into ${BUCKET}`)
})
