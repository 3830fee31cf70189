// What of a template stands where: load balancers, servers and databases, in the subnets and security groups they are in.
import type { Template, TemplateResource } from './cfn.ts'
import { list, ofType, property, refersTo } from './reading.ts'

/** One load balancer, server or database in one subnet. */
export interface Place {
  readonly id: string
  readonly zone: string
  readonly subnet: string
  readonly groups: readonly string[]
  /** Whether it has an address that the internet knows. */
  readonly hasPublicAddress: boolean
}
/** What a thing without a security group gets: the VPC's own, which lets its members talk, and everything out. */
export const DEFAULT_GROUP = '(the VPC’s own)'

/** @throws Error for a subnet that is no resource of the template */
export function readPlaces(template: Template): Place[] {
  const places = (
    id: string,
    subnets: unknown,
    groups: unknown,
    hasPublicAddress: (subnet: TemplateResource) => boolean,
  ) =>
    list(subnets).map((value): Place => {
      const subnet = refersTo(value) ?? ''
      const resource = template.Resources[subnet]
      if (resource === undefined) throw new Error(`${id}: its subnet is not interpreted`)
      const own = list(groups).map((group) => refersTo(group) ?? '')
      return {
        id,
        subnet,
        zone: String(property(resource, 'AvailabilityZoneId')),
        groups: own.length > 0 ? own : [DEFAULT_GROUP],
        hasPublicAddress: hasPublicAddress(resource),
      }
    })
  return [
    ...ofType(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer').flatMap(([id, balancer]) =>
      // Without a scheme it faces the internet.
      places(
        id,
        property(balancer, 'Subnets'),
        property(balancer, 'SecurityGroups'),
        () => property(balancer, 'Scheme') !== 'internal',
      ),
    ),
    ...ofType(template, 'AWS::AutoScaling::AutoScalingGroup').flatMap(([id, group]) => {
      const launch = template.Resources[refersTo(property(group, 'LaunchTemplate.LaunchTemplateId')) ?? '']
      const [first] = list(property(launch, 'LaunchTemplateData.NetworkInterfaces'))
      const address = property(launch, 'LaunchTemplateData.NetworkInterfaces.0.AssociatePublicIpAddress')
      const groups = property(
        launch,
        `LaunchTemplateData.${first ? 'NetworkInterfaces.0.Groups' : 'SecurityGroupIds'}`,
      )
      return places(id, property(group, 'VPCZoneIdentifier'), groups, (subnet) =>
        address === undefined ? property(subnet, 'MapPublicIpOnLaunch') === true : address === true,
      )
    }),
    // In a VPC it has no address outside.
    ...ofType(template, 'AWS::OpenSearchService::Domain').flatMap(([id, domain]) =>
      places(
        id,
        property(domain, 'VPCOptions.SubnetIds'),
        property(domain, 'VPCOptions.SecurityGroupIds'),
        () => false,
      ),
    ),
    ...ofType(template, 'AWS::RDS::DBInstance').flatMap(([id, database]) => {
      const source =
        template.Resources[refersTo(property(database, 'SourceDBInstanceIdentifier')) ?? ''] ?? database
      const subnetGroup = template.Resources[refersTo(property(source, 'DBSubnetGroupName')) ?? '']
      // The zone of a primary is AWS's choice, and changes: it is interpreted in each. A replica has its own.
      const pinned = refersTo(property(database, 'AvailabilityZone'))
      const subnets = list(property(subnetGroup, 'SubnetIds')).filter(
        (subnet) => pinned === undefined || refersTo(subnet) === pinned,
      )
      return places(
        id,
        subnets,
        property(database, 'VPCSecurityGroups'),
        () => property(database, 'PubliclyAccessible') === true,
      )
    }),
  ]
}
