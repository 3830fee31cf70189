// How long things take in the stand-in, in seconds of its virtual clock. No test asserts one: they are there so that
// states last, and follow each other in an order that is like AWS's. Where AWS or somebody else says how long, it is said here.

/** Until a change set is there to be read. Assumed: AWS says only that it takes "up to a few minutes" for large stacks. */
export const CHANGE_SET = 6
/** Between the answer to ExecuteChangeSet and the stack’s change of state. Assumed; there is one. */
export const BEGINNING = 1
/** For how long DescribeStacks tells the state before, when the events already tell that something has begun. Assumed. */
export const STALE = 8
/** Between the end of an update and that of its cleaning up, beside what the deletions take. Assumed. */
export const CLEANUP = 4

/**
 * Until other services know a role that IAM has just made. Assumed; the guide's "Troubleshoot IAM" says that it takes time, and
 * not how long ("Changes that I make are not always immediately visible").
 */
export const NEW_ROLE = 12

interface Durations {
  readonly create: number
  readonly update: number
  readonly delete: number
}

/** What is not listed here takes seconds. */
export const RESOURCES: Readonly<Record<string, Durations>> = {
  // The guide's "How to create a DB instance": "can take up to 20 minutes"; a standby and a replica take their own snapshot.
  'AWS::RDS::DBInstance': { create: 900, update: 300, delete: 420 },
  // An instance is running after 6 s and answers after 29 s (daemonology, ec2-boot-bench, 2021); with the hook that
  // waits until it is ready, and deregistration (60 s in this stack) when it goes.
  'AWS::AutoScaling::AutoScalingGroup': { create: 120, update: 400, delete: 180 },
  // Load balancers are `provisioning` for two to three minutes. Assumed.
  'AWS::ElasticLoadBalancingV2::LoadBalancer': { create: 150, update: 20, delete: 20 },
  // NAT gateways likewise. Assumed.
  'AWS::EC2::NatGateway': { create: 110, update: 10, delete: 60 },
  // DNS validation: ACM's guide says up to 30 minutes, mostly less. Assumed.
  'AWS::CertificateManager::Certificate': { create: 240, update: 5, delete: 5 },
}
export const OTHERS: Durations = { create: 5, update: 4, delete: 3 }

/** Instances of a group that was told to have fewer: deregistration, then the hook that hands jobs back. Assumed. */
export const DRAIN = 120
/** Deregistration alone, of a group whose hook is waited for: the delay of this stack's target groups. */
export const DEREGISTRATION = 60
/** Between the end of the terminate hook and the instance's. Assumed. */
export const PROCEED = 10
/** From launch to in service. As above. */
export const LAUNCH = 90
/** Snapshot of a small database. Assumed; the first one of a volume copies all of it. */
export const SNAPSHOT = 300
/** A change of an instance's settings that needs no restart. Assumed. */
export const MODIFY_DATABASE = 30

/** From CompleteSnapshot to `completed`. A 4 GiB image is uploaded, sealed and registered in about 18 s (NixOS/amis #364). */
export const SNAPSHOT_SEALED = 8
/** A snapshot of a builder's volume, and the image with it: logs say 9 minutes (packer-plugin-amazon #249), others more. */
export const SNAPSHOT_OF_VOLUME = 300
/** From RegisterImage to `available`: the snapshot is there already. Assumed. */
export const IMAGE_REGISTERED = 3
/** From RunInstances to `running` (daemonology, ec2-boot-bench, 2021). */
export const INSTANCE_RUNNING = 6
/** Until both status checks pass: they are made every minute, and begin with `initializing`. Assumed. */
export const INSTANCE_CHECKED = 150
/** From `stopping` to `stopped`. Assumed; EC2's guide says that it may take "a few minutes". */
export const INSTANCE_STOPPED = 40
/** From `shutting-down` to `terminated`. Assumed. */
export const INSTANCE_GONE = 30
