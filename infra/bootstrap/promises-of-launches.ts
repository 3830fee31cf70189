// What servers are started from and where, by whoever bakes and by deployments: nobody else's disks, nobody else's network.
import { at, list } from '../reading.ts'
import { type RoleName, roleArn } from './names.ts'
import { actionsOf, type Promised, roleStatement, statementsOf } from './promise.ts'
import {
  call,
  here,
  image,
  OF_US,
  type Reach,
  reaches,
  snapshot,
  TAGGED,
  TAGGING,
  whileMaking,
} from './reach.ts'
import { SAMPLE_SETTINGS } from './sample-settings.ts'
import { stageRoles } from './stage-rights.ts'

const server = here('ec2', 'instance/i-1')
const volume = here('ec2', 'volume/vol-1')
const subnet = here('ec2', 'subnet/subnet-1')
const group = here('ec2', 'security-group/sg-1')
const role = (name: RoleName) => roleArn(name, SAMPLE_SETTINGS)
const [ofStage = ''] = stageRoles(SAMPLE_SETTINGS)

const TESTS: readonly Reach[] = [
  {
    holds:
      'whoever bakes starts servers with the tag, where builders stand and as nobody who may do more, and hears those alone',
    of: (template) => statementsOf(template, 'DeployRole'),
    may: [
      call('ec2:RunInstances', server, TAGGING),
      call('ec2:RunInstances', volume, TAGGING),
      call('ec2:CreateTags', volume, whileMaking('RunInstances')),
      call('ec2:RunInstances', image, TAGGED),
      call('ec2:RunInstances', here('ec2', 'network-interface/eni-1')),
      call('ec2:RunInstances', subnet, TAGGED),
      call('ec2:RunInstances', group, TAGGED),
      call('ec2:DescribeInstances', '*'),
      call('ec2:DescribeInstanceStatus', '*'),
      call('ec2:GetConsoleOutput', server, TAGGED),
      // What migrates a stage's database is one of its servers.
      call('iam:PassRole', ofStage, { ...OF_US, 'iam:PassedToService': 'ec2.amazonaws.com' }),
    ],
    mayNot: [
      call('ec2:RunInstances', server),
      call('ec2:RunInstances', volume),
      call('ec2:RunInstances', subnet),
      call('ec2:RunInstances', group),
      // With a key somebody could sign in, and without an address of its own nobody needs to.
      call('ec2:RunInstances', here('ec2', 'key-pair/key-1'), TAGGED),
      call('ec2:AssociateAddress', server, TAGGED),
      call('ec2:ModifyInstanceAttribute', server, TAGGED),
      call('ec2:GetConsoleOutput', server),
      call('iam:PassRole', role('deploy'), { ...OF_US, 'iam:PassedToService': 'ec2.amazonaws.com' }),
      call('iam:PassRole', ofStage, { ...OF_US, 'iam:PassedToService': 'lambda.amazonaws.com' }),
    ],
    breaks: {
      'starts servers without the tag': (draft) => {
        delete roleStatement(draft, 'Start').Condition
      },
      'in anybody’s network': (draft) => {
        delete roleStatement(draft, 'StartIn').Condition
      },
      'no longer where builders stand': (draft) => {
        roleStatement(draft, 'StartIn').Action = ['ec2:RunScheduledInstances']
      },
      'hears any server': (draft) => {
        delete roleStatement(draft, 'Servers').Condition
      },
      'and does not see whether it got ready': (draft) => {
        const statement = roleStatement(draft, 'Looking')
        statement.Action = list(statement.Action).filter((name) => name !== 'ec2:DescribeInstanceStatus')
      },
      'and none any more': (draft) => {
        roleStatement(draft, 'Servers').Action = ['ec2:TerminateInstances']
      },
      'with a key of somebody': (draft) => {
        roleStatement(draft, 'StartFrom').Resource = '*'
      },
      'as nobody any more': (draft) => {
        roleStatement(draft, 'StartAs').Action = ['iam:GetRole']
      },
      'hands roles to anything': (draft) => {
        delete roleStatement(draft, 'StartAs').Condition
      },
      'as anybody': (draft) => {
        roleStatement(draft, 'StartAs').Resource = '*'
      },
    },
  },
]

/** What the guide of EBS names ("Permissions for users"), of a key of one's own; without a grant a server ends as it begins. */
const TO_START_ENCRYPTED = [
  'kms:Decrypt',
  'kms:DescribeKey',
  'kms:GenerateDataKeyWithoutPlaintext',
  'kms:ReEncryptFrom',
  'kms:ReEncryptTo',
]
// Which key it is only AWS knows, so these are read and not asked.
const KEY: Promised = {
  holds: 'whoever bakes can start a server from an encrypted image, and gives the key to nobody but AWS',
  wrong: (template) => {
    const own = statementsOf(template, 'DeployRole')
    const of = (sid: string) => own.find((statement) => at(statement, 'Sid') === sid)
    const granted = of('KeyForAws')
    return [
      ...TO_START_ENCRYPTED.filter((name) => !actionsOf(of('Key')).includes(name)).map(
        (name) => `may not ${name}`,
      ),
      ...(actionsOf(granted).includes('kms:CreateGrant') ? [] : ['may not kms:CreateGrant']),
      ...(at(granted, 'Condition.Bool.kms:GrantIsForAWSResource') === 'true'
        ? []
        : ['may give the key to anybody']),
      ...own
        .filter(
          (one) =>
            one !== granted && actionsOf(one).some((name) => /^(?:kms:CreateGrant|kms:\*|\*)$/.test(name)),
        )
        .map((one) => `${String(at(one, 'Sid'))} gives the key, too`),
    ]
  },
  breaks: {
    'no grant': (draft) => {
      roleStatement(draft, 'KeyForAws').Action = ['kms:ListGrants']
    },
    'a grant for anybody': (draft) => {
      delete roleStatement(draft, 'KeyForAws').Condition
    },
    'nothing is decrypted': (draft) => {
      roleStatement(draft, 'Key').Action = TO_START_ENCRYPTED.slice(1)
    },
    'grants beside it': (draft) => {
      roleStatement(draft, 'Key').Action = [...TO_START_ENCRYPTED, 'kms:CreateGrant']
    },
  },
}

const LAUNCHES: readonly Reach[] = (['CloudFormationRole', 'CloudFormationCiRole'] as const).map((role) => ({
  holds: `servers that ${role} makes start from images that are ours, and read nobody else’s disks`,
  of: (template) => statementsOf(template, role),
  isThere: (template) => template.Resources[role] !== undefined,
  may: [
    ...[image, snapshot].map((on) => call('ec2:RunInstances', on, TAGGED)),
    ...['instance', 'volume', 'network-interface', 'subnet', 'security-group', 'launch-template'].map(
      (kind) => call('ec2:RunInstances', here('ec2', `${kind}/*`)),
    ),
  ],
  mayNot: [image, snapshot].map((on) => call('ec2:RunInstances', on)),
  breaks: {
    'from anything': (draft) => {
      roleStatement(draft, 'OnlyOurDisks').Action = ['ec2:CreateTags']
    },
    'from images only': (draft) => {
      const statement = roleStatement(draft, 'OnlyOurDisks')
      statement.Resource = list(statement.Resource).slice(0, 1)
    },
    'from nothing': (draft) => {
      delete roleStatement(draft, 'OnlyOurDisks').Condition
    },
  },
}))

export const LAUNCH_PROMISES: readonly Promised[] = [...[...TESTS, ...LAUNCHES].map(reaches), KEY]
