import { expect, test } from 'vitest'
import { join, json, type Resource, Stack, secretField, sub } from './cfn.ts'

/** Never called: `npm run types` fails as soon as one of these mistakes is not one any more. */
function mistakes(stack: Stack, bucket: Resource<'AWS::S3::Bucket'>, ids: string[]): void {
  // @ts-expect-error a misspelt property
  stack.add('Vpc', 'AWS::EC2::VPC', { CidrBlok: '10.0.0.0/16' })
  // @ts-expect-error a number where text belongs
  stack.add('Vpc', 'AWS::EC2::VPC', { CidrBlock: 10 })
  // @ts-expect-error a required property that is missing (VpcId)
  stack.add('Subnet', 'AWS::EC2::Subnet', { CidrBlock: '10.0.0.0/24' })
  // @ts-expect-error an attribute that a bucket doesn't have
  bucket.att('Endpoint.Address')
  stack.add('Template', 'AWS::EC2::LaunchTemplate', {
    // @ts-expect-error a misspelt property further inside
    LaunchTemplateData: { MetadataOptions: { HttpToken: 'required' } },
  })
  const vpc = stack.add('Vpc', 'AWS::EC2::VPC', {})
  // @ts-expect-error a list where one text belongs
  stack.add('Vpc', 'AWS::EC2::VPC', { CidrBlock: vpc.att('CidrBlockAssociations') })
  // @ts-expect-error a type that AWS doesn't have
  stack.add('Vpc', 'AWS::EC2::Vpc', {})
  // @ts-expect-error a name where a resource belongs
  stack.add('Vpc', 'AWS::EC2::VPC', {}, { DependsOn: ['Igw'] })
  // @ts-expect-error a word that the schema doesn't list
  stack.add('Log', 'AWS::EC2::FlowLog', { ResourceId: 'vpc-1', ResourceType: 'Vpc' })
  // @ts-expect-error a name in the text without its value
  sub('arn:${AWS::Partition}:s3:::${Bucket}/*')
  // @ts-expect-error a list of texts where texts belong
  join('', ids)
  stack.add(
    'Group',
    'AWS::AutoScaling::AutoScalingGroup',
    { MinSize: '1', MaxSize: '2' },
    {
      // @ts-expect-error a misspelt update policy
      UpdatePolicy: { AutoscalingInstanceRefresh: {} },
    },
  )
}

test('mistakes are for the compiler', () => {
  expect(mistakes).toBeTypeOf('function')
})

test('references, substitutions and options come out as CloudFormation spells them', () => {
  const stack = new Stack('what it is')
  const secret = stack.add('Secret', 'AWS::SecretsManager::Secret', {})
  const bucket = stack.add(
    'Bucket',
    'AWS::S3::Bucket',
    { BucketName: sub('${AWS::StackName}-${name}', { name: secret.ref }) },
    { DependsOn: [secret], DeletionPolicy: 'Retain' },
  )
  stack.output('Url', 'Where', bucket.att('DomainName'))
  stack.output('Password', 'By CloudFormation', secretField(secret, 'password'))
  expect(stack.template()).toEqual({
    Description: 'what it is',
    Resources: {
      Secret: { Type: 'AWS::SecretsManager::Secret', Properties: {} },
      Bucket: {
        Type: 'AWS::S3::Bucket',
        DependsOn: ['Secret'],
        DeletionPolicy: 'Retain',
        Properties: { BucketName: { 'Fn::Sub': ['${AWS::StackName}-${name}', { name: { Ref: 'Secret' } }] } },
      },
    },
    Outputs: {
      Url: { Description: 'Where', Value: { 'Fn::GetAtt': ['Bucket', 'DomainName'] } },
      Password: {
        Description: 'By CloudFormation',
        Value: {
          'Fn::Join': ['', ['{{resolve:secretsmanager:', { Ref: 'Secret' }, ':SecretString:password}}']],
        },
      },
    },
  })
  expect(() => stack.add('Bucket', 'AWS::S3::Bucket', {})).toThrow('two resources are called Bucket')
})

test('a JSON document keeps its tokens, and what only looks like one', () => {
  const stack = new Stack('x')
  const topic = stack.add('Topic', 'AWS::SNS::Topic', {})
  expect(json({ a: [topic.ref, { b: topic.att('TopicArn') }], c: '${not}', d: { Ref: 'x', e: 1 } })).toEqual({
    'Fn::Sub': [
      '{"a":["${V0}",{"b":"${V1}"}],"c":"${!not}","d":{"Ref":"x","e":1}}',
      { V0: { Ref: 'Topic' }, V1: { 'Fn::GetAtt': ['Topic', 'TopicArn'] } },
    ],
  })
})
