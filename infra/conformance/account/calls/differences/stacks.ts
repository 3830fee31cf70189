// CloudFormation, of which only ministack is asked (differences.ts).
import type { Difference } from '../call.ts'

export const STACKS_DIFFERENCES: readonly Difference[] = [
  {
    what: 'sets: a reference to nothing',
    standIn: 'refused: ValidationError (400)',
    ministack: '{"hasIds":true}',
    why: 'AWS refuses the template: “Unresolved resource dependencies”. The emulator looks when it carries the set out.',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html',
  },
  {
    what: 'sets: a role, without saying so',
    standIn: 'refused: InsufficientCapabilitiesException (400)',
    ministack: '{"hasIds":true}',
    why: 'AWS: InsufficientCapabilitiesException. The emulator asks for no capability.',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html',
  },
  {
    what: 'sets: template of a stack that was never made',
    standIn: 'refused: ValidationError (400)',
    ministack: '{}',
    why: 'AWS has none before the first set is carried out; the emulator answers without one.',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplate.html',
  },
  {
    what: 'sets: the same with the same token',
    standIn: '{"hasIds":true}',
    ministack: 'refused: AlreadyExistsException (400)',
    why: 'AWS: ClientToken makes a repeated call the same call. The emulator does not look at it, so a lost answer is tried with the stand-in only.',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html',
  },
  {
    what: 'sets: create of a stack that is there',
    standIn: 'refused: ValidationError (400)',
    ministack: 'refused: AlreadyExistsException (400)',
    why: 'AWS: “ValidationError: Stack [] already exists and cannot be created again with the changeSet []”.',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html',
  },
  {
    what: 'stacks: what was changed',
    standIn:
      '{"outputs":[["Size","large"]],"resources":["Comes AWS::SSM::Parameter CREATE_COMPLETE","Name AWS::SSM::Parameter CREATE_COMPLETE","Topic AWS::SNS::Topic UPDATE_COMPLETE"]}',
    ministack:
      '{"outputs":[["Size","large"]],"resources":["Comes AWS::SSM::Parameter UPDATE_COMPLETE","Name AWS::SSM::Parameter UPDATE_COMPLETE","Topic AWS::SNS::Topic UPDATE_COMPLETE"]}',
    why: 'In AWS a resource has the state of what happened to it last; the emulator gives all of them that of the update.',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackResourceSummary.html',
  },
  {
    what: 'stacks: events after the update',
    standIn:
      '{"terrace-calls":["REVIEW_IN_PROGRESS","CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE_CLEANUP_IN_PROGRESS","UPDATE_COMPLETE"],"Topic":["CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Name":["CREATE_IN_PROGRESS","CREATE_COMPLETE"],"Goes":["CREATE_IN_PROGRESS","CREATE_COMPLETE","DELETE_IN_PROGRESS","DELETE_COMPLETE"],"Comes":["CREATE_IN_PROGRESS","CREATE_COMPLETE"]}',
    ministack:
      '{"terrace-calls":["REVIEW_IN_PROGRESS","CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Topic":["CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Name":["CREATE_IN_PROGRESS","CREATE_COMPLETE","UPDATE_IN_PROGRESS","UPDATE_COMPLETE"],"Goes":["CREATE_IN_PROGRESS","CREATE_COMPLETE"],"Comes":["UPDATE_IN_PROGRESS","UPDATE_COMPLETE"]}',
    why: 'AWS removes what went in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, makes what came by CREATE, and does nothing to what stays the same; the emulator updates everything, and tells of no removal.',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html',
  },
  {
    what: 'stacks: an update that the policy denies',
    standIn: '{"status":"UPDATE_ROLLBACK_COMPLETE"}',
    ministack: '{"status":"UPDATE_COMPLETE"}',
    why: 'AWS takes it back; the emulator keeps policies, and does not follow them (HOLLOW).',
    source: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html',
  },
]
