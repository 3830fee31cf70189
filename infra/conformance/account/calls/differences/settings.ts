// Parameters, roles, secrets, and what servers say of themselves.
import type { Difference } from '../call.ts'

export const SETTINGS_DIFFERENCES: readonly Difference[] = [
  {
    what: 'secrets: one that is not there',
    standIn: 'refused: ResourceNotFoundException (400)',
    moto: 'refused: ResourceNotFoundException (404)',
    why: 'The error has 400 in AWS; moto gives it 404. Nobody here reads the number.',
    source: 'https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html',
  },
  {
    what: 'servers: one that waits for its hook',
    standIn: '[["terrace-calls-hooked","Pending:Wait"]]',
    ministack: '[["terrace-calls-hooked","InService"]]',
    moto: '[["terrace-calls-hooked","InService"]]',
    why: 'In AWS a server waits for its hook before it is in service; neither emulator holds one up (HOLLOW).',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html',
  },
  {
    what: 'servers: heartbeat of one that is not there',
    standIn: 'refused: ValidationError (400)',
    ministack: '{}',
    why: 'AWS: no active lifecycle action is found for such a server. The emulator takes every heartbeat (HOLLOW).',
    source:
      'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html',
  },
  {
    what: 'servers: heartbeat for another hook',
    standIn: 'refused: ValidationError (400)',
    ministack: '{}',
    why: 'As above: nothing waits for that hook.',
    source:
      'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html',
  },
  {
    what: 'servers: heartbeat in no group',
    standIn: 'refused: ValidationError (400)',
    ministack: '{}',
    why: 'As above: there is no such group.',
    source:
      'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RecordLifecycleActionHeartbeat.html',
  },
  {
    what: 'servers: complete for another hook',
    standIn: 'refused: ValidationError (400)',
    ministack: '{}',
    why: 'AWS: no active lifecycle action is found for that hook. The emulator takes every completion (HOLLOW).',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html',
  },
  {
    what: 'servers: complete again',
    standIn: 'refused: ValidationError (400)',
    ministack: '{}',
    why: 'As above: the wait has ended.',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html',
  },
  {
    what: 'servers: complete in no group',
    standIn: 'refused: ValidationError (400)',
    ministack: '{}',
    why: 'As above: there is no such group.',
    source: 'https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CompleteLifecycleAction.html',
  },
  {
    what: 'ssm: below a path, in pages',
    standIn: '[["/terrace/calls/deep/three","/terrace/calls/one"],["/terrace/calls/two"]]',
    moto: '[["/terrace/calls/one","/terrace/calls/two"],["/terrace/calls/deep/three"]]',
    why: 'AWS promises no order; the stand-in sorts, moto has them in the order in which they were put. Whoever reads takes all pages.',
    source: 'https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html',
  },
  {
    what: 'ssm: put more than one holds',
    standIn: 'refused: ValidationException (400)',
    ministack: '{"Version":1}',
    moto: '{"Version":1}',
    why: 'AWS: a standard parameter holds 4 KB; the emulators take any size.',
    source:
      'https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html',
  },
  {
    what: 'ssm: below a path, in pages that are too large',
    standIn: 'refused: ValidationException (400)',
    ministack: '[[]]',
    why: 'AWS: MaxResults is from 1 to 10 (moto says so, too); ministack takes any.',
    source: 'https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html',
  },
  {
    what: 'iam: the role of a service',
    standIn: '{"RoleName":"AWSServiceRoleForRDS","Path":"/aws-service-role/rds.amazonaws.com/"}',
    ministack: '{"RoleName":"AWSServiceRoleForRds","Path":"/aws-service-role/rds.amazonaws.com/"}',
    moto: '{"RoleName":"AWSServiceRoleForrds","Path":"/aws-service-role/rds.amazonaws.com/"}',
    why: 'AWS names it AWSServiceRoleForRDS; the emulators make a name of the service’s (HOLLOW).',
    source: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAM.ServiceLinkedRoles.html',
  },
  {
    what: 'iam: the role of a service, found by its name',
    standIn: '{"RoleName":"AWSServiceRoleForRDS","Path":"/aws-service-role/rds.amazonaws.com/"}',
    ministack: 'refused: NoSuchEntityException (404)',
    moto: 'refused: NoSuchEntityException (404)',
    why: 'Follows from that: the name that AWS gives it is not there.',
    source: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAM.ServiceLinkedRoles.html',
  },
  {
    what: 'iam: the role of a service, again',
    standIn: 'refused: InvalidInputException (400)',
    ministack: 'refused: EntityAlreadyExistsException (409)',
    moto: 'refused: EntityAlreadyExistsException (409)',
    why: 'AWS: “InvalidInput … has been taken in this account, please try a different suffix”; what makes these roles relies on it.',
    source: 'https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateServiceLinkedRole.html',
  },
]
