// What bakes write into the state bucket and retention removes again: nothing of it is ever gone for good at once.
import { LAYOUT } from '../image-sets.ts'
import { stateBucket } from './names.ts'
import { type Promised, roleStatement, statementsOf } from './promise.ts'
import { bucket, call, type Reach, reaches, state } from './reach.ts'
import { SAMPLE_SETTINGS } from './sample-settings.ts'

const BESIDE = [LAYOUT.packages, LAYOUT.sbom, LAYOUT.staticFiles, LAYOUT.base, LAYOUT.record].map((keyOf) =>
  state(keyOf('0'.repeat(64))),
)
const onAll = (action: string) => BESIDE.map((key) => call(action, key))

const RETAINS = (['DeployRole', 'CiRole'] as const).map(
  (role): Reach => ({
    holds: `what retention removes by ${role} can be had again: it takes objects, never their versions`,
    of: (template) => statementsOf(template, role),
    // A bootstrap without a pipeline has none.
    isThere: (template) => template.Resources[role] !== undefined,
    may: [
      ...['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:GetObjectVersion'].flatMap(onAll),
      call('s3:ListBucket', bucket(stateBucket(SAMPLE_SETTINGS))),
    ],
    mayNot: [
      ...onAll('s3:DeleteObjectVersion'),
      call('s3:PutBucketVersioning', bucket(stateBucket(SAMPLE_SETTINGS))),
      call('s3:PutLifecycleConfiguration', bucket(stateBucket(SAMPLE_SETTINGS))),
      // Another folder that begins like these.
      call('s3:DeleteObject', state('imagery/1.json')),
    ],
    breaks: {
      'records only': (draft) => {
        roleStatement(draft, 'StateWritten').Resource = [state('image-sets/*'), state('bakes/*')]
      },
      'bakes write, and nobody removes': (draft) => {
        roleStatement(draft, 'StateWritten').Action = ['s3:PutObject']
      },
      'versions too': (draft) => {
        roleStatement(draft, 'StateWritten').Action = [
          's3:DeleteObject',
          's3:DeleteObjectVersion',
          's3:PutObject',
        ]
      },
      'whatever begins like it': (draft) => {
        roleStatement(draft, 'StateWritten').Resource = state('image*')
      },
      'nobody sees what is there': (draft) => {
        roleStatement(draft, 'StateList').Action = ['s3:GetBucketLocation']
      },
    },
  }),
)

export const RETENTION_PROMISES: readonly Promised[] = RETAINS.map(reaches)
