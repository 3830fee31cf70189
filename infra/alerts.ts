// Where alarms go: a topic that tells, and one that wakes. The stage's operators get mail from both; what wakes a person,
// a pager or a telephone, is subscribed to the second by hand, because its address is often a secret. Both are encrypted
// with a key of their own, because alarms can't be sent to a topic under AWS's key.
import { GOES_WITH_STACK, type Resource, type Stack, sub, type Text } from './cfn.ts'
import { allowService, document } from './policy.ts'
import type { Stage } from './stage-schema.ts'

type Topic = Resource<'AWS::SNS::Topic'>
export interface Alerts {
  /** Where what is no alarm goes too. */
  readonly topic: Topic
  readonly pages: Topic
  /** Actions of an alarm that somebody should read today. */
  readonly tell: readonly Text[]
  /** Actions of an alarm that somebody should get up for. */
  readonly page: readonly Text[]
}

export function alertTopics(stack: Stack, stage: Stage): Alerts {
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
  const pages = stack.add('Pages', 'AWS::SNS::Topic', {
    DisplayName: sub('${AWS::StackName}: get up'),
    KmsMasterKeyId: key.ref,
  })
  stack.add('PagesPolicy', 'AWS::SNS::TopicPolicy', {
    Topics: [pages.ref],
    PolicyDocument: document(allowService('cloudwatch.amazonaws.com', ['sns:Publish'], pages.ref, fromHere)),
  })
  for (const [index, address] of stage.alerts.entries())
    for (const [id, to] of [
      ['AlertsTo', topic],
      ['PagesTo', pages],
    ] as const)
      stack.add(`${id}${index + 1}`, 'AWS::SNS::Subscription', {
        TopicArn: to.ref,
        Protocol: 'email',
        Endpoint: address,
      })
  return { topic, pages, tell: [topic.ref], page: [pages.ref] }
}
