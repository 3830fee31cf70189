// Alarms of the ways in and out.
import type { Alerts } from '../alerts.ts'
import type { Balanced } from '../balancing.ts'
import type { Stack, Text } from '../cfn.ts'
import type { Network } from '../network.ts'
import { type Alarm, alarm, type Reckoned } from './alarm.ts'

/**
 * What a load balancer answers when a server is to blame: an error of its own (500), a server that broke off or answered
 * nonsense (502), none there (503), none that answered in time (504). Not HTTPCode_ELB_5XX_Count: that has the 501 and 505 in
 * it which anybody gets who sends a transfer coding or a version of HTTP that the load balancer does not know, and so
 * strangers could wake people, and use up what may fail (AWS: "CloudWatch metrics for your Application Load Balancer",
 * "Troubleshoot your Application Load Balancers").
 */
const FAULTS = [500, 502, 503, 504] as const

/** Those requests: metrics, and the sum of them as metric math. */
export function unservedBy({ balancer }: Balanced): { metrics: Reckoned['metrics']; sum: string } {
  return {
    metrics: Object.fromEntries(
      FAULTS.map((code) => [
        `unserved${code}`,
        {
          namespace: 'AWS/ApplicationELB',
          metric: `HTTPCode_ELB_${code}_Count`,
          dimensions: { LoadBalancer: balancer.att('LoadBalancerFullName') },
          statistic: 'Sum',
        },
      ]),
    ),
    // Each is reported only when there are some.
    sum: FAULTS.map((code) => `FILL(unserved${code}, 0)`).join(' + '),
  }
}

/** Only beside servers: without them the load balancer answers everyone with 503, as it should. */
export function entranceAlarms(stack: Stack, web: Balanced, { tell }: Alerts): Alarm[] {
  const { metrics, sum } = unservedBy(web)
  return [
    alarm(stack, 'BalancerErrors', tell, 'People get errors that no server has made.', 'errors', {
      metrics,
      expressions: { unserved: sum },
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
