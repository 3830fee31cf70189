// Instances.
import type { Difference } from '../call.ts'

export const INSTANCES_DIFFERENCES: readonly Difference[] = [
  {
    what: 'instances: of an image that is not there',
    standIn: 'refused: InvalidAMIID.NotFound (400)',
    ministack: '{}',
    moto: '{}',
    why: 'AWS: InvalidAMIID.NotFound; the emulators start one of any id.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html',
  },
  {
    what: 'instances: a disk that is too small',
    standIn: 'refused: InvalidBlockDeviceMapping (400)',
    ministack: 'refused: InvalidAMIID.Unavailable (400)',
    moto: '{}',
    why: 'AWS: a volume is at least as large as its snapshot. moto does not compare; ministack starts nothing that was registered, for whatever reason.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EbsBlockDevice.html',
  },
  {
    what: 'instances: tags of something else',
    standIn: 'refused: InvalidParameterValue (400)',
    ministack: '{}',
    moto: '{}',
    why: 'AWS: what a start makes can be tagged, and nothing else; the emulators pass over it.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html',
  },
  {
    what: 'instances: a tag of AWS’s own',
    standIn: 'refused: InvalidParameterValue (400)',
    ministack: '{}',
    moto: '{}',
    why: 'AWS: keys that begin with aws: are its own; the emulators take them.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html',
  },
  {
    what: 'instances: more tags than one may have',
    standIn: 'refused: TagLimitExceeded (400)',
    ministack: '{}',
    why: 'AWS: 50 tags a resource (moto says so, too); ministack takes any number.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html',
  },
  {
    what: 'instances: more user data than one may have',
    standIn: 'refused: InvalidParameterValue (400)',
    ministack: '{}',
    moto: '{}',
    why: 'AWS: 16 KB before it is encoded; the emulators take any size.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html',
  },
  {
    what: 'instances: of an image that was registered',
    standIn:
      '[{"InstanceType":"t3.small","State":{"Code":0,"Name":"pending"},"Tags":[{"Key":"terrace-calls","Value":"other"}]}]',
    ministack: 'refused: InvalidAMIID.Unavailable (400)',
    why: 'AWS starts it; ministack starts only ids that it does not know.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html',
  },
  {
    what: 'instances: run',
    standIn:
      '[{"InstanceType":"t3.small","State":{"Code":0,"Name":"pending"},"Tags":[{"Key":"terrace-calls","Value":"instance"}]}]',
    ministack:
      '[{"InstanceType":"t3.small","State":{"Code":16,"Name":"running"},"Tags":[{"Key":"terrace-calls","Value":"instance"}]}]',
    why: 'AWS: pending, until it runs; ministack’s runs at once.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html',
  },
  {
    what: 'instances: run again, with the same token',
    standIn: '{"same":true}',
    ministack: '{"same":false}',
    moto: '{"same":false}',
    why: 'AWS: the same token and parameters give the same instance. Neither emulator looks at the token, so a lost answer is tried with the stand-in only.',
    source: 'https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html',
  },
  {
    what: 'instances: run another one with that token',
    standIn: 'refused: IdempotentParameterMismatch (400)',
    ministack:
      '[{"InstanceType":"t3.large","State":{"Code":16,"Name":"running"},"Tags":[{"Key":"terrace-calls","Value":"instance"}]}]',
    moto: '[{"InstanceType":"t3.large","State":{"Code":0,"Name":"pending"},"Tags":[{"Key":"terrace-calls","Value":"instance"}]}]',
    why: 'AWS: IdempotentParameterMismatch. As above.',
    source: 'https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html',
  },
  {
    what: 'instances: by a tag and a state',
    standIn:
      '[{"InstanceType":"t3.small","State":{"Code":16,"Name":"running"},"Tags":[{"Key":"terrace-calls","Value":"instance"}],"isOfIt":true}]',
    ministack:
      '[{"InstanceType":"t3.small","State":{"Code":16,"Name":"running"},"Tags":[{"Key":"terrace-calls","Value":"instance"}],"isOfIt":true},{"InstanceType":"t3.small","State":{"Code":16,"Name":"running"},"Tags":[{"Key":"terrace-calls","Value":"instance"}],"isOfIt":true},{"InstanceType":"t3.large","State":{"Code":16,"Name":"running"},"Tags":[{"Key":"terrace-calls","Value":"instance"}],"isOfIt":true}]',
    why: 'AWS: all filters hold together; ministack passes over instance-id.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html',
  },
  {
    what: 'instances: by what can’t be asked for',
    standIn: 'refused: InvalidParameterValue (400)',
    ministack: '{}',
    moto: 'no answer',
    why: 'AWS refuses a filter that it does not have; ministack passes over it, moto falls over it.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html',
  },
  {
    what: 'instances: one, in pages',
    standIn: 'refused: InvalidParameterCombination (400)',
    ministack:
      '[{"InstanceType":"t3.small","State":{"Code":16,"Name":"running"},"Tags":[{"Key":"terrace-calls","Value":"instance"}],"isOfIt":true}]',
    why: 'AWS: ids and MaxResults exclude each other; ministack passes over the number.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html',
  },
  {
    what: 'instances: status of one that is not there',
    standIn: 'refused: InvalidInstanceID.NotFound (400)',
    ministack: '[]',
    why: 'AWS: InvalidInstanceID.NotFound; ministack gives an empty list.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html',
  },
  {
    what: 'instances: status of one that is stopped, all being asked for',
    standIn: '[["stopped","not-applicable","not-applicable"]]',
    ministack: '[["stopped","ok","ok"]]',
    why: 'AWS: status checks are made of running instances; ministack’s have passed for ever.',
    source:
      'https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/monitoring-system-instance-status-check.html',
  },
  {
    what: 'instances: stop of one that is gone',
    standIn: 'refused: IncorrectInstanceState (400)',
    ministack: '{}',
    moto: '{}',
    why: 'AWS: IncorrectInstanceState; the emulators take it.',
    source: 'https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html',
  },
]
