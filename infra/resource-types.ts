// The resource types that the stack uses, with what AWS's own schemas say of their properties and attributes.
// Types only: nothing of the package is loaded when this runs. A type that is missing here can't be added to a stack.
import type {
  AutoScalingAutoScalingGroupAttributes,
  AutoScalingAutoScalingGroupProperties,
} from '@awboost/cfn-resource-types/AWS-AutoScaling-AutoScalingGroup'
import type {
  AutoScalingScalingPolicyAttributes,
  AutoScalingScalingPolicyProperties,
} from '@awboost/cfn-resource-types/AWS-AutoScaling-ScalingPolicy'
import type {
  BudgetsBudgetAttributes,
  BudgetsBudgetProperties,
} from '@awboost/cfn-resource-types/AWS-Budgets-Budget'
import type {
  CertificateManagerCertificateAttributes,
  CertificateManagerCertificateProperties,
} from '@awboost/cfn-resource-types/AWS-CertificateManager-Certificate'
import type {
  CloudWatchAlarmAttributes,
  CloudWatchAlarmProperties,
} from '@awboost/cfn-resource-types/AWS-CloudWatch-Alarm'
import type {
  CloudWatchCompositeAlarmAttributes,
  CloudWatchCompositeAlarmProperties,
} from '@awboost/cfn-resource-types/AWS-CloudWatch-CompositeAlarm'
import type { CloudWatchDashboardProperties } from '@awboost/cfn-resource-types/AWS-CloudWatch-Dashboard'
import type { EC2EIPAttributes, EC2EIPProperties } from '@awboost/cfn-resource-types/AWS-EC2-EIP'
import type { EC2FlowLogAttributes, EC2FlowLogProperties } from '@awboost/cfn-resource-types/AWS-EC2-FlowLog'
import type {
  EC2InternetGatewayAttributes,
  EC2InternetGatewayProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-InternetGateway'
import type {
  EC2LaunchTemplateAttributes,
  EC2LaunchTemplateProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-LaunchTemplate'
import type {
  EC2NatGatewayAttributes,
  EC2NatGatewayProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-NatGateway'
import type { EC2RouteAttributes, EC2RouteProperties } from '@awboost/cfn-resource-types/AWS-EC2-Route'
import type {
  EC2RouteTableAttributes,
  EC2RouteTableProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-RouteTable'
import type {
  EC2SecurityGroupAttributes,
  EC2SecurityGroupProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-SecurityGroup'
import type {
  EC2SecurityGroupEgressAttributes,
  EC2SecurityGroupEgressProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-SecurityGroupEgress'
import type {
  EC2SecurityGroupIngressAttributes,
  EC2SecurityGroupIngressProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-SecurityGroupIngress'
import type { EC2SubnetAttributes, EC2SubnetProperties } from '@awboost/cfn-resource-types/AWS-EC2-Subnet'
import type {
  EC2SubnetRouteTableAssociationAttributes,
  EC2SubnetRouteTableAssociationProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-SubnetRouteTableAssociation'
import type { EC2VPCAttributes, EC2VPCProperties } from '@awboost/cfn-resource-types/AWS-EC2-VPC'
import type {
  EC2VPCEndpointAttributes,
  EC2VPCEndpointProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-VPCEndpoint'
import type {
  EC2VPCGatewayAttachmentAttributes,
  EC2VPCGatewayAttachmentProperties,
} from '@awboost/cfn-resource-types/AWS-EC2-VPCGatewayAttachment'
import type {
  ElasticLoadBalancingV2ListenerAttributes,
  ElasticLoadBalancingV2ListenerProperties,
} from '@awboost/cfn-resource-types/AWS-ElasticLoadBalancingV2-Listener'
import type {
  ElasticLoadBalancingV2LoadBalancerAttributes,
  ElasticLoadBalancingV2LoadBalancerProperties,
} from '@awboost/cfn-resource-types/AWS-ElasticLoadBalancingV2-LoadBalancer'
import type {
  ElasticLoadBalancingV2TargetGroupAttributes,
  ElasticLoadBalancingV2TargetGroupProperties,
} from '@awboost/cfn-resource-types/AWS-ElasticLoadBalancingV2-TargetGroup'
import type {
  IAMInstanceProfileAttributes,
  IAMInstanceProfileProperties,
} from '@awboost/cfn-resource-types/AWS-IAM-InstanceProfile'
import type {
  IAMManagedPolicyAttributes,
  IAMManagedPolicyProperties,
} from '@awboost/cfn-resource-types/AWS-IAM-ManagedPolicy'
import type {
  IAMOIDCProviderAttributes,
  IAMOIDCProviderProperties,
} from '@awboost/cfn-resource-types/AWS-IAM-OIDCProvider'
import type { IAMRoleAttributes, IAMRoleProperties } from '@awboost/cfn-resource-types/AWS-IAM-Role'
import type { KMSKeyAttributes, KMSKeyProperties } from '@awboost/cfn-resource-types/AWS-KMS-Key'
import type {
  LogsLogGroupAttributes,
  LogsLogGroupProperties,
} from '@awboost/cfn-resource-types/AWS-Logs-LogGroup'
import type { LogsResourcePolicyProperties } from '@awboost/cfn-resource-types/AWS-Logs-ResourcePolicy'
import type {
  OpenSearchServiceDomainAttributes,
  OpenSearchServiceDomainProperties,
} from '@awboost/cfn-resource-types/AWS-OpenSearchService-Domain'
import type {
  RDSDBInstanceAttributes,
  RDSDBInstanceProperties,
} from '@awboost/cfn-resource-types/AWS-RDS-DBInstance'
import type { RDSDBParameterGroupProperties } from '@awboost/cfn-resource-types/AWS-RDS-DBParameterGroup'
import type { RDSDBSubnetGroupProperties } from '@awboost/cfn-resource-types/AWS-RDS-DBSubnetGroup'
import type { RDSEventSubscriptionProperties } from '@awboost/cfn-resource-types/AWS-RDS-EventSubscription'
import type {
  Route53RecordSetAttributes,
  Route53RecordSetProperties,
} from '@awboost/cfn-resource-types/AWS-Route53-RecordSet'
import type { S3BucketAttributes, S3BucketProperties } from '@awboost/cfn-resource-types/AWS-S3-Bucket'
import type { S3BucketPolicyProperties } from '@awboost/cfn-resource-types/AWS-S3-BucketPolicy'
import type {
  SecretsManagerSecretAttributes,
  SecretsManagerSecretProperties,
} from '@awboost/cfn-resource-types/AWS-SecretsManager-Secret'
import type {
  SecretsManagerSecretTargetAttachmentAttributes,
  SecretsManagerSecretTargetAttachmentProperties,
} from '@awboost/cfn-resource-types/AWS-SecretsManager-SecretTargetAttachment'
import type {
  SNSSubscriptionAttributes,
  SNSSubscriptionProperties,
} from '@awboost/cfn-resource-types/AWS-SNS-Subscription'
import type { SNSTopicAttributes, SNSTopicProperties } from '@awboost/cfn-resource-types/AWS-SNS-Topic'
import type {
  SNSTopicPolicyAttributes,
  SNSTopicPolicyProperties,
} from '@awboost/cfn-resource-types/AWS-SNS-TopicPolicy'
import type { SSMParameterProperties } from '@awboost/cfn-resource-types/AWS-SSM-Parameter'

interface Kind<Properties, Attributes = Record<never, never>> {
  readonly Properties: Properties
  readonly Attributes: Attributes
}

export interface ResourceTypes {
  'AWS::AutoScaling::AutoScalingGroup': Kind<
    AutoScalingAutoScalingGroupProperties,
    AutoScalingAutoScalingGroupAttributes
  >
  'AWS::AutoScaling::ScalingPolicy': Kind<
    AutoScalingScalingPolicyProperties,
    AutoScalingScalingPolicyAttributes
  >
  'AWS::Budgets::Budget': Kind<BudgetsBudgetProperties, BudgetsBudgetAttributes>
  'AWS::CertificateManager::Certificate': Kind<
    CertificateManagerCertificateProperties,
    CertificateManagerCertificateAttributes
  >
  'AWS::CloudWatch::Alarm': Kind<CloudWatchAlarmProperties, CloudWatchAlarmAttributes>
  'AWS::CloudWatch::CompositeAlarm': Kind<
    CloudWatchCompositeAlarmProperties,
    CloudWatchCompositeAlarmAttributes
  >
  'AWS::CloudWatch::Dashboard': Kind<CloudWatchDashboardProperties>
  'AWS::EC2::EIP': Kind<EC2EIPProperties, EC2EIPAttributes>
  'AWS::EC2::FlowLog': Kind<EC2FlowLogProperties, EC2FlowLogAttributes>
  'AWS::EC2::InternetGateway': Kind<EC2InternetGatewayProperties, EC2InternetGatewayAttributes>
  'AWS::EC2::LaunchTemplate': Kind<EC2LaunchTemplateProperties, EC2LaunchTemplateAttributes>
  'AWS::EC2::NatGateway': Kind<EC2NatGatewayProperties, EC2NatGatewayAttributes>
  'AWS::EC2::Route': Kind<EC2RouteProperties, EC2RouteAttributes>
  'AWS::EC2::RouteTable': Kind<EC2RouteTableProperties, EC2RouteTableAttributes>
  'AWS::EC2::SecurityGroup': Kind<EC2SecurityGroupProperties, EC2SecurityGroupAttributes>
  'AWS::EC2::SecurityGroupEgress': Kind<EC2SecurityGroupEgressProperties, EC2SecurityGroupEgressAttributes>
  'AWS::EC2::SecurityGroupIngress': Kind<EC2SecurityGroupIngressProperties, EC2SecurityGroupIngressAttributes>
  // The zone's name as this account calls it is missing from the published types.
  'AWS::EC2::Subnet': Kind<EC2SubnetProperties, EC2SubnetAttributes & { readonly AvailabilityZone: string }>
  'AWS::EC2::SubnetRouteTableAssociation': Kind<
    EC2SubnetRouteTableAssociationProperties,
    EC2SubnetRouteTableAssociationAttributes
  >
  'AWS::EC2::VPC': Kind<EC2VPCProperties, EC2VPCAttributes>
  'AWS::EC2::VPCEndpoint': Kind<EC2VPCEndpointProperties, EC2VPCEndpointAttributes>
  'AWS::EC2::VPCGatewayAttachment': Kind<EC2VPCGatewayAttachmentProperties, EC2VPCGatewayAttachmentAttributes>
  'AWS::ElasticLoadBalancingV2::Listener': Kind<
    ElasticLoadBalancingV2ListenerProperties,
    ElasticLoadBalancingV2ListenerAttributes
  >
  'AWS::ElasticLoadBalancingV2::LoadBalancer': Kind<
    ElasticLoadBalancingV2LoadBalancerProperties,
    ElasticLoadBalancingV2LoadBalancerAttributes
  >
  'AWS::ElasticLoadBalancingV2::TargetGroup': Kind<
    ElasticLoadBalancingV2TargetGroupProperties,
    ElasticLoadBalancingV2TargetGroupAttributes
  >
  'AWS::IAM::InstanceProfile': Kind<IAMInstanceProfileProperties, IAMInstanceProfileAttributes>
  'AWS::IAM::ManagedPolicy': Kind<IAMManagedPolicyProperties, IAMManagedPolicyAttributes>
  'AWS::IAM::OIDCProvider': Kind<IAMOIDCProviderProperties, IAMOIDCProviderAttributes>
  'AWS::IAM::Role': Kind<IAMRoleProperties, IAMRoleAttributes>
  'AWS::KMS::Key': Kind<KMSKeyProperties, KMSKeyAttributes>
  'AWS::Logs::LogGroup': Kind<LogsLogGroupProperties, LogsLogGroupAttributes>
  'AWS::Logs::ResourcePolicy': Kind<LogsResourcePolicyProperties>
  'AWS::OpenSearchService::Domain': Kind<OpenSearchServiceDomainProperties, OpenSearchServiceDomainAttributes>
  'AWS::RDS::DBInstance': Kind<RDSDBInstanceProperties, RDSDBInstanceAttributes>
  'AWS::RDS::DBParameterGroup': Kind<RDSDBParameterGroupProperties>
  'AWS::RDS::DBSubnetGroup': Kind<RDSDBSubnetGroupProperties>
  'AWS::RDS::EventSubscription': Kind<RDSEventSubscriptionProperties>
  'AWS::Route53::RecordSet': Kind<Route53RecordSetProperties, Route53RecordSetAttributes>
  'AWS::S3::Bucket': Kind<S3BucketProperties, S3BucketAttributes>
  'AWS::S3::BucketPolicy': Kind<S3BucketPolicyProperties>
  'AWS::SNS::Subscription': Kind<SNSSubscriptionProperties, SNSSubscriptionAttributes>
  'AWS::SNS::Topic': Kind<SNSTopicProperties, SNSTopicAttributes>
  'AWS::SNS::TopicPolicy': Kind<SNSTopicPolicyProperties, SNSTopicPolicyAttributes>
  'AWS::SSM::Parameter': Kind<SSMParameterProperties>
  'AWS::SecretsManager::Secret': Kind<SecretsManagerSecretProperties, SecretsManagerSecretAttributes>
  'AWS::SecretsManager::SecretTargetAttachment': Kind<
    SecretsManagerSecretTargetAttachmentProperties,
    SecretsManagerSecretTargetAttachmentAttributes
  >
}

export type TypeName = keyof ResourceTypes
