// How far whoever bakes reaches: images and snapshots that are being made as ours, or are.
import { DEBIAN_OWNER } from './names.ts'
import { type Promised, roleStatement, statementsOf } from './promise.ts'
import {
  call,
  here,
  image,
  OF_US,
  type Reach,
  reaches,
  snapshot,
  state,
  TAGGED,
  TAGGING,
  whileMaking,
} from './reach.ts'

const server = here('ec2', 'instance/i-1')
const publicOf = (owner: string) => ({ ...OF_US, 'ec2:Public': 'true', 'ec2:Owner': owner })

const BAKES: readonly Reach[] = [
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
      call('ec2:CreateTags', image, whileMaking('RegisterImage')),
      call('ec2:CreateTags', server, whileMaking('RunInstances')),
      call('ec2:TerminateInstances', server, TAGGED),
      call('ec2:DeregisterImage', image, TAGGED),
      call('ec2:DeleteSnapshot', snapshot, TAGGED),
      call('ec2:DescribeLaunchTemplateVersions', '*'),
      call('ec2:RunInstances', image, TAGGED),
      call('ec2:RunInstances', snapshot, TAGGED),
      // Of Debian, whom AWS may know by the alias of those that it has looked at.
      call('ec2:RunInstances', image, publicOf(DEBIAN_OWNER)),
      call('ec2:RunInstances', image, publicOf('amazon')),
      call('ec2:RunInstances', here('ec2', 'network-interface/*')),
    ],
    mayNot: [
      call('ebs:StartSnapshot', snapshot),
      call('ebs:PutSnapshotBlock', snapshot),
      call('ec2:RegisterImage', image),
      call('ec2:RegisterImage', snapshot),
      call('ec2:RegisterImage', snapshot, TAGGING),
      // A server's disk holds what a stage is told: images are made of disks that were built for them.
      call('ec2:CreateImage', server, TAGGED),
      call('ec2:CreateImage', image, TAGGING),
      // What is there already, and another's.
      call('ec2:CreateTags', snapshot, TAGGING),
      call('ec2:CreateTags', server, TAGGING),
      call('ec2:CreateTags', image, { ...OF_US, 'ec2:CreateAction': 'RegisterImage' }),
      call('ec2:TerminateInstances', server),
      call('ec2:DeregisterImage', image),
      call('ec2:DeleteSnapshot', snapshot),
      // What others have on their disks would be read so.
      call('ec2:RunInstances', image),
      call('ec2:RunInstances', snapshot),
      call('ec2:RunInstances', snapshot, publicOf(DEBIAN_OWNER)),
      call('ec2:RunInstances', image, publicOf('999988887777')),
      call('ec2:RunInstances', image, publicOf('aws-marketplace')),
      // Shared with this account, and with few others.
      call('ec2:RunInstances', image, { ...OF_US, 'ec2:Owner': DEBIAN_OWNER }),
      call('ec2:CopyImage', image, TAGGING),
      call('ebs:StartSnapshot', snapshot, { ...TAGGING, 'ebs:ParentSnapshot': snapshot }),
    ],
    breaks: {
      'images of servers': (draft) => {
        roleStatement(draft, 'Servers').Action = ['ec2:CreateImage', 'ec2:TerminateInstances']
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
      'starts from anybody’s disk': (draft) => {
        delete roleStatement(draft, 'StartFrom').Condition
      },
      'starts from any image': (draft) => {
        delete roleStatement(draft, 'StartFromDebian').Condition
      },
      'from whatever is public': (draft) => {
        roleStatement(draft, 'StartFromDebian').Condition = { Bool: { 'ec2:Public': 'true' } }
      },
      'from whatever Debian shares': (draft) => {
        roleStatement(draft, 'StartFromDebian').Condition = {
          StringEquals: { 'ec2:Owner': [DEBIAN_OWNER, 'amazon'] },
        }
      },
      'only from our own': (draft) => {
        roleStatement(draft, 'StartFromDebian').Action = ['ec2:CreateImage']
      },
      'copies anybody’s image': (draft) => {
        roleStatement(draft, 'Register').Action = ['ec2:CopyImage', 'ec2:RegisterImage']
      },
      'begins with what another snapshot has': (draft) => {
        roleStatement(draft, 'NewSnapshots').Condition = {
          StringEquals: { 'aws:RequestTag/service': 'terrace' },
        }
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
