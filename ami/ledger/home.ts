// Account and region, as a command line says them.
import type { Home } from '../../infra/bootstrap/names.ts'

/** @param refuse makes the error of what is wrong */
export function readHome(
  {
    account = '',
    region = '',
  }: { readonly account?: string | undefined; readonly region?: string | undefined },
  refuse: (what: string) => Error,
): Home {
  if (!/^\d{12}$/.test(account)) throw refuse(`--account ${account} is no account: 12 digits.`)
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) throw refuse(`--region ${region} is no region (eu-west-1).`)
  return { account, region }
}
