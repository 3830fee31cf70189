// How far whoever bakes reaches: images, snapshots and servers that are being made as ours, or are; and what a builder on an
// instance is started from and given.
import { DEBIAN_OWNER } from './names.ts'
import { type Promised, roleStatement, statementsOf } from './promise.ts'
import { call, here, OF_US, type Reach, reaches, state, TAGGED, TAGGING } from './reach.ts'
import { SAMPLE_SETTINGS } from './sample-settings.ts'

// Their ARNs know no account.
const image = 'arn:aws:ec2:eu-west-1::image/ami-1'
const snapshot = 'arn:aws:ec2:eu-west-1::snapshot/snap-1'
const server = here('ec2', 'instance/i-1')
const whileMaking = (action: string) => ({ ...TAGGING, 'ec2:CreateAction': action })

/** An image may be anybody's: the account that is asked is not the one that owns it. */
const imageOf = (owner?: string) =>
  call('ec2:RunInstances', image, {
    'aws:RequestedRegion': SAMPLE_SETTINGS.region,
    ...(owner !== undefined && { 'ec2:Owner': owner }),
  })

const BAKES: readonly Reach[] = [
  {
    holds:
      'whoever bakes starts servers with the tag, of images of this account or of Debian, where the bootstrap lets them stand',
    of: (template) => statementsOf(template, 'DeployRole'),
    may: [
      ...[SAMPLE_SETTINGS.account, DEBIAN_OWNER, 'amazon'].map(imageOf),
      call('ec2:RunInstances', server, TAGGING),
      call('ec2:RunInstances', here('ec2', 'volume/vol-1'), TAGGING),
      call('ec2:RunInstances', snapshot),
      call('ec2:RunInstances', here('ec2', 'network-interface/eni-1')),
      call('ec2:RunInstances', here('ec2', 'subnet/subnet-1'), TAGGED),
      call('ec2:RunInstances', here('ec2', 'security-group/sg-1'), TAGGED),
      call('ec2:GetConsoleOutput', server, TAGGED),
    ],
    mayNot: [
      imageOf('999988887777'),
      imageOf('aws-marketplace'),
      imageOf(),
      call('ec2:RunInstances', server),
      call('ec2:RunInstances', here('ec2', 'volume/vol-1')),
      call('ec2:RunInstances', here('ec2', 'subnet/subnet-1')),
      call('ec2:RunInstances', here('ec2', 'security-group/sg-1')),
      call('ec2:GetConsoleOutput', server),
    ],
    breaks: {
      'of anybody’s image': (draft) => {
        delete roleStatement(draft, 'StartFrom').Condition
      },
      'servers without the tag': (draft) => {
        delete roleStatement(draft, 'Start').Condition
      },
      'in any network': (draft) => {
        delete roleStatement(draft, 'StartIn').Condition
      },
      'not of Debian’s': (draft) => {
        roleStatement(draft, 'StartFrom').Condition = {
          StringEquals: { 'ec2:Owner': SAMPLE_SETTINGS.account },
        }
      },
    },
  },
  {
    holds: 'whoever bakes signs what a builder reads and writes in the state bucket, and removes it',
    of: (template) => statementsOf(template, 'DeployRole'),
    may: [
      call('s3:PutObject', state('bakes/1/sources.tar.gz')),
      call('s3:GetObject', state('bakes/1/sources.tar.gz')),
      call('s3:DeleteObject', state('bakes/1/sources.tar.gz')),
      call('s3:GetObject', state('image-static/1.json')),
      call('s3:ListBucket', state('').replace(/\/$/, '')),
    ],
    // What an address of its would let a builder do elsewhere.
    mayNot: [
      call('s3:PutObject', state('builders/1/sources.tar.gz')),
      call('s3:DeleteObjectVersion', state('bakes/1/sources.tar.gz')),
    ],
    breaks: {
      'no folder for bakes': (draft) => {
        const statement = roleStatement(draft, 'StateWritten')
        statement.Resource = (statement.Resource as string[]).filter((one) => !one.includes('bakes/'))
      },
      'anything of the bucket': (draft) => {
        roleStatement(draft, 'StateWritten').Resource = [state('*')]
      },
    },
  },
  {
    holds:
      'whoever bakes makes images, snapshots and servers with the tag, and touches only those that have it',
    of: (template) => statementsOf(template, 'DeployRole'),
    may: [
      call('ebs:StartSnapshot', snapshot, TAGGING),
      call('ebs:PutSnapshotBlock', snapshot, TAGGED),
      call('ec2:RegisterImage', image, TAGGING),
      call('ec2:RegisterImage', snapshot, TAGGED),
      call('ec2:CreateImage', server, TAGGED),
      call('ec2:CreateImage', image, TAGGING),
      call('ec2:CreateImage', snapshot, TAGGING),
      call('ec2:CreateTags', image, whileMaking('RegisterImage')),
      call('ec2:CreateTags', server, whileMaking('RunInstances')),
      call('ec2:TerminateInstances', server, TAGGED),
      call('ec2:DeregisterImage', image, TAGGED),
      call('ec2:DeleteSnapshot', snapshot, TAGGED),
      call('ec2:DescribeLaunchTemplateVersions', '*'),
    ],
    mayNot: [
      call('ebs:StartSnapshot', snapshot),
      call('ebs:PutSnapshotBlock', snapshot),
      call('ec2:RegisterImage', image),
      call('ec2:RegisterImage', snapshot),
      call('ec2:RegisterImage', snapshot, TAGGING),
      call('ec2:CreateImage', server),
      call('ec2:CreateImage', image),
      // What is there already, and another's.
      call('ec2:CreateTags', snapshot, TAGGING),
      call('ec2:CreateTags', server, TAGGING),
      call('ec2:CreateTags', image, { ...OF_US, 'ec2:CreateAction': 'RegisterImage' }),
      call('ec2:TerminateInstances', server),
      call('ec2:DeregisterImage', image),
      call('ec2:DeleteSnapshot', snapshot),
    ],
    breaks: {
      'images without the tag': (draft) => {
        delete roleStatement(draft, 'NewImages').Condition
      },
      'images registered without the tag': (draft) => {
        delete roleStatement(draft, 'Register').Condition
      },
      'of anybody’s snapshot': (draft) => {
        delete roleStatement(draft, 'RegisterFrom').Condition
      },
      'tags on anything': (draft) => {
        roleStatement(draft, 'Tags').Condition = { StringEquals: { 'aws:RequestTag/service': 'terrace' } }
      },
      'ends any server': (draft) => {
        delete roleStatement(draft, 'Servers').Condition
      },
      'removes any image': (draft) => {
        delete roleStatement(draft, 'OldImages').Condition
      },
      'snapshots without the tag': (draft) => {
        delete roleStatement(draft, 'NewSnapshots').Condition
      },
      'writes into any snapshot': (draft) => {
        delete roleStatement(draft, 'SnapshotBlocks').Condition
      },
    },
  },
]

export const BAKE_PROMISES: readonly Promised[] = BAKES.map(reaches)
