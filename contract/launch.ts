// What the stack tells a server when it starts, as its user data (JSON): where to find the rest, and when it is in service.
// The image reads it; nothing secret stands in it.

/** @typeParam Text how a text that AWS makes up is written: in a template it is a reference */
export interface LaunchData<Text = string> {
  readonly stage: string
  readonly tier: 'api' | 'web'
  readonly region: string
  /**
   * Path in the Parameter Store. `PATH/environment` is a JSON object of variables; every other `PATH/NAME` is the variable
   * NAME, put there by the operator, and wins.
   */
  readonly parameters: string
  /**
   * Secrets Manager: variable → ARN; the secret's text is its value. DATABASE_URL's is JSON with `username` and
   * `password`, which are put into the address of the environment.
   */
  readonly secrets: Readonly<Record<string, Text>>
  /** Where the programs' lines go. */
  readonly logGroup: Text
  /**
   * More variables, of the image: TERRACE_RELEASE, and TERRACE_IMAGE_MADE_AT (ISO 8601, UTC), without which nobody would be
   * told of its age.
   */
  readonly environment: Readonly<Record<string, string>>
  /** Lifecycle hooks of the server's group: each is to be completed by the server. */
  readonly hooks: { readonly launch: string; readonly terminate: string }
  /** Seconds between the first 200 of `/readyz` and the completion of the launch hook. */
  readonly inServiceAfter: number
  /** Says nothing to a server: it makes another launch template of another environment. */
  readonly fingerprint: string
}

/**
 * Where an API image carries the certificate authorities of RDS, all regions': without them its servers neither sign in by
 * IAM nor know whom they talk to.
 */
export const DATABASE_CA_FILE = '/etc/terrace/rds-ca.pem'

export const LIFECYCLE_HOOKS = { launch: 'ready', terminate: 'handed-back' } as const
