// Where a builder stands while it bakes: a small network of its own, without NAT, that costs nothing while nobody bakes. A
// builder has a public address and lets nothing in; packages and the state bucket are fetched by HTTPS. To AWS it is nobody.
import { type Resource, type Stack, sub } from '../cfn.ts'
import type { Settings } from './settings.ts'

/** Beside those of the stages: the two are never connected, but a person who reads logs should not have to think. */
export const BUILDER_NETWORK = { vpc: '10.19.0.0/24', subnets: ['10.19.0.0/26', '10.19.0.64/26'] } as const

export interface Builder {
  readonly subnets: readonly Resource<'AWS::EC2::Subnet'>[]
  readonly group: Resource<'AWS::EC2::SecurityGroup'>
}

export function builder(stack: Stack, settings: Settings): Builder {
  const named = (what: string) => [{ Key: 'Name', Value: sub('${AWS::StackName} ${what}', { what }) }]
  const vpc = stack.add('BuilderVpc', 'AWS::EC2::VPC', {
    CidrBlock: BUILDER_NETWORK.vpc,
    EnableDnsSupport: true,
    EnableDnsHostnames: true,
    Tags: named('builders'),
  })
  const gateway = stack.add('BuilderInternet', 'AWS::EC2::InternetGateway', { Tags: named('builders') })
  const attached = stack.add('BuilderInternetAttachment', 'AWS::EC2::VPCGatewayAttachment', {
    VpcId: vpc.ref,
    InternetGatewayId: gateway.ref,
  })
  const table = stack.add('BuilderRoutes', 'AWS::EC2::RouteTable', {
    VpcId: vpc.ref,
    Tags: named('builders'),
  })
  stack.add(
    'BuilderDefaultRoute',
    'AWS::EC2::Route',
    { RouteTableId: table.ref, DestinationCidrBlock: '0.0.0.0/0', GatewayId: gateway.ref },
    { DependsOn: [attached] },
  )
  // Two, since a zone may be out of an instance type, or never have had it.
  const subnets = BUILDER_NETWORK.subnets.map((range, index) => {
    const subnet = stack.add(`BuilderSubnet${index + 1}`, 'AWS::EC2::Subnet', {
      VpcId: vpc.ref,
      AvailabilityZoneId: settings.zones[index] ?? settings.zones[0],
      CidrBlock: range,
      MapPublicIpOnLaunch: false,
      Tags: named(`builders ${index + 1}`),
    })
    stack.add(`BuilderSubnet${index + 1}Routes`, 'AWS::EC2::SubnetRouteTableAssociation', {
      RouteTableId: table.ref,
      SubnetId: subnet.ref,
    })
    return subnet
  })
  const group = stack.add('BuilderSecurityGroup', 'AWS::EC2::SecurityGroup', {
    GroupDescription: 'Builders of images',
    VpcId: vpc.ref,
    SecurityGroupEgress: [
      {
        IpProtocol: 'tcp',
        FromPort: 443,
        ToPort: 443,
        CidrIp: '0.0.0.0/0',
        Description: 'Packages, and the state bucket',
      },
    ],
    Tags: named('builders'),
  })
  return { subnets, group }
}
