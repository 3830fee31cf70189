// Where alarms go: a topic that the stage's operators get mail from, encrypted with a key of its own, because alarms
// can't be sent to a topic under AWS's key.
import { GOES_WITH_STACK, type Resource, type Stack, sub } from './cfn.ts'
import { allowService, document } from './policy.ts'
import type { Stage } from './stage-schema.ts'

export function alertTopic(stack: Stack, stage: Stage): Resource<'AWS::SNS::Topic'> {
  const fromHere = { StringEquals: { 'aws:SourceAccount': stage.account } }
  const use = ['kms:Decrypt', 'kms:GenerateDataKey']
  const key = stack.add(
    'AlertsKey',
    'AWS::KMS::Key',
    {
      Description: sub('Alerts of ${AWS::StackName}'),
      EnableKeyRotation: true,
      PendingWindowInDays: 7,
      KeyPolicy: document(
        {
          Sid: 'TheAccountGovernsItsKey',
          Effect: 'Allow',
          Principal: { AWS: sub('arn:${AWS::Partition}:iam::${account}:root', { account: stage.account }) },
          // All of them: a key whose policy leaves one out can become nobody's.
          Action: 'kms:*',
          Resource: '*',
        },
        // Without a condition: not every call of theirs says for which account it is, and an alert must get through.
        allowService('cloudwatch.amazonaws.com', use, '*'),
        allowService('events.rds.amazonaws.com', use, '*'),
      ),
    },
    GOES_WITH_STACK,
  )
  const topic = stack.add('Alerts', 'AWS::SNS::Topic', {
    DisplayName: sub('${AWS::StackName}'),
    KmsMasterKeyId: key.ref,
  })
  stack.add('AlertsPolicy', 'AWS::SNS::TopicPolicy', {
    Topics: [topic.ref],
    PolicyDocument: document(
      allowService('cloudwatch.amazonaws.com', ['sns:Publish'], topic.ref, fromHere),
      allowService('events.rds.amazonaws.com', ['sns:Publish'], topic.ref, fromHere),
    ),
  })
  for (const [index, address] of stage.alerts.entries())
    stack.add(`AlertsTo${index + 1}`, 'AWS::SNS::Subscription', {
      TopicArn: topic.ref,
      Protocol: 'email',
      Endpoint: address,
    })
  return topic
}
