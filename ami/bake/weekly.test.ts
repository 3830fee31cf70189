// The weekly bake that docs/ci shows: commands that there are, with options that they take, by the role that there is.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { roleArn } from '../../infra/bootstrap/names.ts'
import { ROOT } from '../../local/install.mjs'
import { readBakeLine } from './arguments.ts'

const HOME = { account: '222233334444', region: 'eu-west-1' }
const text = readFileSync(path.join(ROOT, 'docs/ci/bake.yml'), 'utf8')
  .replaceAll(/\$\{\{ vars\.AWS_ACCOUNT \}\}/g, HOME.account)
  .replaceAll(/\$\{\{ vars\.AWS_REGION \}\}/g, HOME.region)

test('runs commands that there are, and bakes by a line that is accepted', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
  const lines = [...text.matchAll(/npm run (\S+) -- (.+)$/gm)].filter(([line]) => !line.includes('bootstrap'))
  expect(lines.map(([, name]) => name)).toEqual(['bake', 'bake:retain', 'bake:sweep'])
  for (const [, name = ''] of lines) expect(Object.keys(scripts)).toContain(name)
  expect(readBakeLine(lines[0]?.[2]?.split(' ') ?? [], true)).toMatchObject({
    tiers: ['api', 'web'],
    home: HOME,
  })
})

test('as the pipeline’s role, without a key', () => {
  expect(text).toContain(`role-to-assume: ${roleArn('ci', HOME)}\n`)
  expect(text).toContain('id-token: write')
  expect(text).not.toMatch(/secrets\.|ACCESS_KEY/)
})
