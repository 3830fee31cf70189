// What a plan says of changes to the search domain: that it would be empty, opened, or less safe; and what may go on unasked.
import { describe, expect, test } from 'vitest'
import { list, property } from '../reading.ts'
import { change, type Draft } from '../rules/rule.ts'
import { SAMPLE_SEARCH, sample } from '../samples.ts'
import { changed, reasons, set } from './pairs.ts'

const { template: before } = sample('prod', { search: SAMPLE_SEARCH })
const inSearch = (path: string, value: unknown) => set('Search', path, value)
const admit = (more: object) => (draft: Draft) =>
  change(draft, 'Search', 'AccessPolicies.Statement', [
    ...list(property(draft.Resources.Search, 'AccessPolicies.Statement')),
    more,
  ])

test.each<[string, (draft: Draft) => void, RegExp]>([
  [
    'another name',
    inSearch('DomainName', 'terrace-prod-other'),
    /filled from the database anew.*replace: .*DomainName/,
  ],
  [
    'no encryption',
    inSearch('EncryptionAtRestOptions.Enabled', false),
    /no longer encrypt text of documents/,
  ],
  [
    'none between nodes',
    inSearch('NodeToNodeEncryptionOptions.Enabled', false),
    /no longer encrypt between its nodes/,
  ],
  ['plain HTTP', inSearch('DomainEndpointOptions.EnforceHTTPS', false), /takes requests without encryption/],
  [
    'old TLS',
    inSearch('DomainEndpointOptions.TLSSecurityPolicy', 'Policy-Min-TLS-1-0-2019-07'),
    /takes other encryption on the way/,
  ],
  ['the internet', inSearch('VPCOptions', undefined), /would stand in the internet/],
  ['a foreign group', inSearch('VPCOptions.SecurityGroupIds', ['sg-1']), /lets in whom a group lets in/],
  ['no log', inSearch('LogPublishingOptions.ES_APPLICATION_LOGS.Enabled', false), /no longer keep its log/],
  [
    'everybody',
    admit({ Effect: 'Allow', Principal: { AWS: '*' }, Action: 'es:ESHttpGet', Resource: '*' }),
    /Search lets everyone come to what Search holds/,
  ],
  [
    'a rule for web servers',
    (draft) => {
      const rule = JSON.parse(JSON.stringify(draft.Resources.ApiToSearchIn))
      rule.Properties.SourceSecurityGroupId = { 'Fn::GetAtt': ['WebSecurityGroup', 'GroupId'] }
      draft.Resources.WebToSearchIn = rule
    },
    /lets WebTemplate in to Search, which holds data/,
  ],
  [
    'a way out',
    (draft) => {
      const rule = JSON.parse(JSON.stringify(draft.Resources.ApiToWorldOut))
      rule.Properties.GroupId = { 'Fn::GetAtt': ['SearchSecurityGroup', 'GroupId'] }
      draft.Resources.SearchToWorldOut = rule
    },
    /lets data out of SearchSecurityGroup/,
  ],
])('%s is not made unasked', (_name, edit, sentence) => {
  expect(reasons(before, changed(before, edit)).join('\n')).toMatch(sentence)
})

test('that it goes is not made unasked, nor that its log does; that it comes is', () => {
  const without = sample('prod').template
  expect(reasons(before, without)).toEqual([
    expect.stringMatching(
      /^Search holds the search index: nothing is found by it until .* \(remove: whole\)/,
    ),
    expect.stringMatching(/^SearchLogs holds data, and goes/),
  ])
  expect(reasons(without, before)).toEqual([])
})

describe('in place, and unasked', () => {
  test.each<[string, (draft: Draft) => void]>([
    ['more nodes', inSearch('ClusterConfig.InstanceCount', 4)],
    ['larger ones', inSearch('ClusterConfig.InstanceType', 'r7g.xlarge.search')],
    ['larger disks', inSearch('EBSOptions.VolumeSize', 200)],
    ['a newer version', inSearch('EngineVersion', 'OpenSearch_3.1')],
  ])('%s', (_name, edit) => {
    expect(reasons(before, changed(before, edit))).toEqual([])
  })
})
