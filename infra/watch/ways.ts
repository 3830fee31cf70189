// Alarms of the ways in and out.
import type { Alerts } from '../alerts.ts'
import type { Balanced } from '../balancing.ts'
import type { Stack, Text } from '../cfn.ts'
import type { Network } from '../network.ts'
import { type Alarm, alarm } from './alarm.ts'

/** Only beside servers: without them the load balancer answers everyone with 503, as it should. */
export function entranceAlarms(stack: Stack, web: Balanced, { tell }: Alerts): Alarm[] {
  return [
    alarm(stack, 'BalancerErrors', tell, 'People get errors that no server has made.', 'errors', {
      namespace: 'AWS/ApplicationELB',
      metric: 'HTTPCode_ELB_5XX_Count',
      dimensions: { LoadBalancer: web.balancer.att('LoadBalancerFullName') },
      statistic: 'Sum',
      comparison: 'GreaterThanThreshold',
      threshold: 5,
      periods: [2, 3],
      // Counted only when there are some.
      missing: 'notBreaching',
    }),
  ]
}

export function natAlarms(stack: Stack, network: Network, { tell }: Alerts): Alarm[] {
  return network.nats.map((nat) =>
    alarm(stack, `${nat.id}Ports`, tell, 'Calls to model endpoints and to AWS fail now and then.', 'nat', {
      namespace: 'AWS/NATGateway',
      metric: 'ErrorPortAllocation',
      dimensions: { NatGatewayId: nat.ref },
      statistic: 'Sum',
      comparison: 'GreaterThanThreshold',
      threshold: 0,
      periods: [3, 5],
      // A gateway that nothing goes through counts nothing.
      missing: 'notBreaching',
    }),
  )
}

/** @param certificate its ARN; undefined where people come without encryption */
export function certificateAlarms(stack: Stack, certificate: Text | undefined, { tell }: Alerts): Alarm[] {
  if (certificate === undefined) return []
  return [
    alarm(stack, 'CertificateExpiry', tell, 'In three weeks browsers refuse the address.', 'certificate', {
      namespace: 'AWS/CertificateManager',
      metric: 'DaysToExpiry',
      dimensions: { CertificateArn: certificate },
      statistic: 'Minimum',
      comparison: 'LessThanThreshold',
      threshold: 21,
      periods: [1, 1],
      seconds: 86_400,
      // Reported twice a day, and not at all for a certificate of today.
      missing: 'notBreaching',
    }),
  ]
}
