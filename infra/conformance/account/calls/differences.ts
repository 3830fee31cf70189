// Where the stand-in and ministack answer something else, and why that stays. A row that is none any more fails the test,
// and so does a difference that has no row (calls.aws.test.ts). What AWS does is from its API references and guides.
import type { Difference } from './call.ts'

export const DIFFERENCES: readonly Difference[] = [
  {
    what: 'iam: the role of a service',
    standIn: '{"RoleName":"AWSServiceRoleForRDS","Path":"/aws-service-role/rds.amazonaws.com/"}',
    emulator: '{"RoleName":"AWSServiceRoleForRds","Path":"/aws-service-role/rds.amazonaws.com/"}',
    why: 'AWS names it AWSServiceRoleForRDS (RDS’s guide, “Using service-linked roles”); the emulator makes a name of the service’s (HOLLOW).',
  },
  {
    what: 'iam: the role of a service, found by its name',
    standIn: '{"RoleName":"AWSServiceRoleForRDS","Path":"/aws-service-role/rds.amazonaws.com/"}',
    emulator: 'refused: NoSuchEntityException (404)',
    why: 'Follows from that: the name that AWS gives it is not there.',
  },
  {
    what: 'iam: the role of a service, again',
    standIn: 'refused: InvalidInputException (400)',
    emulator: 'refused: EntityAlreadyExistsException (409)',
    why: 'AWS: “InvalidInput … has been taken in this account, please try a different suffix”; what makes these roles relies on it.',
  },
  {
    what: 's3: a bucket that is somebody else’s',
    standIn: 'refused: access-denied',
    emulator: '{}',
    why: 'AWS: ExpectedBucketOwner of another account is 403 Access Denied; the emulator does not look at it.',
  },
  {
    what: 's3: get of the version that went',
    standIn: 'refused: NoSuchKey (404)',
    emulator: 'refused: NoSuchVersion (404)',
    why: 'The emulator is right (moto says the same): S3 has NoSuchVersion. Nothing here asks for a version.',
  },
  {
    what: 's3: delete of many, one of them not there',
    standIn: '{"keys":[["a/1",true],["a/2",true],["never",false]],"errors":0}',
    emulator: '{"keys":[["a/1",true],["a/2",true],["never",true]],"errors":0}',
    why: 'Not settled: S3’s guide says of suspended versions that a DELETE inserts a marker where nothing is; the emulator does so with versions too, moto does not. Nothing here deletes what it has not listed.',
  },
  {
    what: 'sets: a reference to nothing',
    standIn: 'refused: ValidationError (400)',
    emulator: '{"hasIds":true}',
    why: 'AWS refuses the template: “Unresolved resource dependencies”. The emulator looks when it carries the set out.',
  },
  {
    what: 'sets: a role, without saying so',
    standIn: 'refused: InsufficientCapabilitiesException (400)',
    emulator: '{"hasIds":true}',
    why: 'AWS: InsufficientCapabilitiesException. The emulator asks for no capability.',
  },
  {
    what: 'sets: template of a stack that was never made',
    standIn: 'refused: ValidationError (400)',
    emulator: '{}',
    why: 'AWS has none before the first set is carried out; the emulator answers without one.',
  },
  {
    what: 'sets: the same with the same token',
    standIn: '{"hasIds":true}',
    emulator: 'refused: AlreadyExistsException (400)',
    why: 'AWS: ClientToken makes a repeated call the same call. The emulator does not look at it, so a lost answer is tried with the stand-in only.',
  },
  {
    what: 'sets: create of a stack that is there',
    standIn: 'refused: ValidationError (400)',
    emulator: 'refused: AlreadyExistsException (400)',
    why: 'AWS: “ValidationError: Stack [] already exists and cannot be created again with the changeSet []”.',
  },
  {
    what: 'stacks: what was changed',
    standIn:
      '{"outputs":[["Size","large"]],"resources":["Comes AWS::SSM::Parameter CREATE_COMPLETE","Name AWS::SSM::Parameter CREATE_COMPLETE","Topic AWS::SNS::Topic UPDATE_COMPLETE"]}',
    emulator:
      '{"outputs":[["Size","large"]],"resources":["Comes AWS::SSM::Parameter UPDATE_COMPLETE","Name AWS::SSM::Parameter UPDATE_COMPLETE","Topic AWS::SNS::Topic UPDATE_COMPLETE"]}',
    why: 'In AWS a resource has the state of what happened to it last; the emulator gives all of them that of the update.',
  },
  {
    what: 'stacks: events after the update',
    standIn:
      '{"terrace-calls":["REVIEW_IN_PROGRESS","CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE_CLEANUP_IN_PROGRESS","UPDATE_COMPLETE"],"Topic":["CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Name":["CREATE_IN_PROGRESS","CREATE_COMPLETE"],"Goes":["CREATE_IN_PROGRESS","CREATE_COMPLETE","DELETE_IN_PROGRESS","DELETE_COMPLETE"],"Comes":["CREATE_IN_PROGRESS","CREATE_COMPLETE"]}',
    emulator:
      '{"terrace-calls":["REVIEW_IN_PROGRESS","CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Topic":["CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Name":["CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Goes":["CREATE_IN_PROGRESS","CREATE_COMPLETE"],"Comes":["UPDATE_IN_PROGRESS","UPDATE_COMPLETE"]}',
    why: 'AWS removes what went in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, makes what came by CREATE, and does nothing to what stays the same; the emulator updates everything, and tells of no removal.',
  },
  {
    what: 'stacks: an update that the policy denies',
    standIn: '{"status":"UPDATE_ROLLBACK_COMPLETE"}',
    emulator: '{"status":"UPDATE_COMPLETE"}',
    why: 'AWS takes it back; the emulator keeps policies, and does not follow them (HOLLOW).',
  },
  {
    what: 'rds: a snapshot',
    standIn: '{"Status":"creating"}',
    emulator: '{"Status":"available"}',
    why: 'In AWS it takes minutes; the emulator has it at once. What waits for it is tried with the stand-in.',
  },
  {
    what: 'rds: the instance meanwhile',
    standIn: '{"status":"backing-up","isProtected":false}',
    emulator: '{"status":"available","isProtected":false}',
    why: 'As above: AWS calls it backing-up.',
  },
  {
    what: 'rds: delete of a snapshot that is being made',
    standIn: 'refused: InvalidDBSnapshotState (400)',
    emulator: '{}',
    why: 'As above: AWS deletes snapshots that are available.',
  },
  {
    what: 'groups: one',
    standIn: '[{"MinSize":1,"MaxSize":3,"DesiredCapacity":1,"instances":1}]',
    emulator: '[{"MinSize":1,"MaxSize":3,"DesiredCapacity":1,"instances":0}]',
    why: 'In AWS a group starts its least number of servers; the emulator none, when it is made by a stack (HOLLOW).',
  },
  {
    what: 'groups: a larger minimum than what is wanted',
    standIn: '[{"MinSize":3,"MaxSize":3,"DesiredCapacity":3,"instances":3}]',
    emulator: '[{"MinSize":3,"MaxSize":3,"DesiredCapacity":2,"instances":2}]',
    why: 'AWS: “sets the group’s DesiredCapacity to the new MinSize value”.',
  },
  {
    what: 'groups: more than the maximum',
    standIn: 'refused: ValidationError (400)',
    emulator: '[{"MinSize":3,"MaxSize":3,"DesiredCapacity":4,"instances":4}]',
    why: 'AWS: ValidationError; the emulator takes any number.',
  },
  {
    what: 'groups: a minimum above the maximum',
    standIn: 'refused: ValidationError (400)',
    emulator: '[{"MinSize":5,"MaxSize":3,"DesiredCapacity":4,"instances":4}]',
    why: 'AWS: ValidationError; the emulator takes any sizes.',
  },
]
