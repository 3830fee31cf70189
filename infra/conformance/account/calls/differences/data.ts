// Databases and groups of servers.
import type { Difference } from '../call.ts'

export const DATA_DIFFERENCES: readonly Difference[] = [
  {
    what: 'rds: an instance',
    standIn: '{"status":"available","isProtected":true}',
    moto: '{"status":"available","isProtected":false}',
    why: 'AWS keeps DeletionProtection as the template has it; moto loses it on the way through its stack.',
    source: 'https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html',
  },
  {
    what: 'rds: a snapshot',
    standIn: '{"Status":"creating"}',
    ministack: '{"Status":"available"}',
    moto: '{"Status":"available"}',
    why: 'In AWS it takes minutes; the emulators have it at once. What waits for it is tried with the stand-in.',
    source: 'https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html',
  },
  {
    what: 'rds: the instance meanwhile',
    standIn: '{"status":"backing-up","isProtected":false}',
    ministack: '{"status":"available","isProtected":false}',
    moto: '{"status":"available","isProtected":false}',
    why: 'As above: AWS calls it backing-up.',
    source: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/accessing-monitoring.html',
  },
  {
    what: 'rds: delete of a snapshot that is being made',
    standIn: 'refused: InvalidDBSnapshotStateFault (400)',
    ministack: '{}',
    moto: '{}',
    why: 'As above: AWS deletes snapshots that are available.',
    source: 'https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBSnapshot.html',
  },
  {
    what: 'groups: one',
    standIn: '[{"MinSize":1,"MaxSize":3,"DesiredCapacity":1,"instances":1}]',
    ministack: '[{"MinSize":1,"MaxSize":3,"DesiredCapacity":1,"instances":0}]',
    why: 'In AWS a group starts its least number of servers; ministack none, when it is made by a stack (HOLLOW).',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html',
  },
  {
    what: 'groups: a larger minimum than what is wanted',
    standIn: '[{"MinSize":3,"MaxSize":3,"DesiredCapacity":3,"instances":3}]',
    ministack: '[{"MinSize":3,"MaxSize":3,"DesiredCapacity":2,"instances":2}]',
    why: 'AWS: “sets the group’s DesiredCapacity to the new MinSize value”.',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html',
  },
  {
    what: 'groups: more than the maximum',
    standIn: 'refused: ValidationError (400)',
    ministack: '[{"MinSize":3,"MaxSize":3,"DesiredCapacity":4,"instances":4}]',
    moto: '[{"MinSize":3,"MaxSize":3,"DesiredCapacity":4,"instances":4}]',
    why: 'AWS: ValidationError; the emulators take any number.',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html',
  },
  {
    what: 'groups: a minimum above the maximum',
    standIn: 'refused: ValidationError (400)',
    ministack: '[{"MinSize":5,"MaxSize":3,"DesiredCapacity":4,"instances":4}]',
    moto: '[{"MinSize":5,"MaxSize":3,"DesiredCapacity":5,"instances":5}]',
    why: 'AWS: ValidationError; the emulators take any sizes.',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_UpdateAutoScalingGroup.html',
  },
]
