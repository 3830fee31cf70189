// The role that servers sign in as on Amazon RDS (prisma/migrations/…_application_role). The migration that makes it goes on
// without it where it may not: on RDS, which is known by its role rds_iam, whoever migrates has to hear of that before
// servers can't sign in.
import type { Queryable } from './pool.ts'

export const APPLICATION_ROLE = 'terrace_app'

/** Pages of PostgreSQL's own views, and tables of somebody else's, are nobody's concern here. */
const LACKS = `
  WITH role AS (SELECT oid, rolcanlogin FROM pg_roles WHERE rolname = '${APPLICATION_ROLE}'),
  tables AS (
    SELECT c.oid, c.relname, n.oid AS schema FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'pgboss') AND c.relkind IN ('r', 'p') AND pg_has_role(current_user, c.relowner, 'USAGE'))
  SELECT role.oid IS NOT NULL AS there, role.rolcanlogin AS login, pg_has_role(role.oid, rds.oid, 'MEMBER') AS member,
    (SELECT json_agg(relname ORDER BY relname) FROM tables
     WHERE NOT (has_schema_privilege(role.oid, schema, 'USAGE') AND has_table_privilege(role.oid, tables.oid, 'SELECT')
       AND (relname = '_prisma_migrations' OR (has_table_privilege(role.oid, tables.oid, 'INSERT')
         AND has_table_privilege(role.oid, tables.oid, 'UPDATE') AND has_table_privilege(role.oid, tables.oid, 'DELETE'))))) AS shut
  FROM pg_roles rds LEFT JOIN role ON true
  WHERE rds.rolname = 'rds_iam' AND current_user <> '${APPLICATION_ROLE}'`

interface Found {
  there: boolean
  login: boolean | null
  member: boolean | null
  /** Tables that it may not read and write; null: none. */
  shut: string[] | null
}

/**
 * To be asked as the owner of the tables, after migrating. Off RDS, and of an owner of that very name, nothing is asked.
 * @throws Error saying what the role lacks on RDS and how it is given
 */
export async function checkApplicationRole(db: Queryable): Promise<void> {
  const [found] = (await db.query<Found>(LACKS)).rows
  if (found === undefined) return
  const { there, login, member, shut } = found
  const lacks = !there
    ? ['it does not exist']
    : [
        ...(login ? [] : ['it has no LOGIN']),
        ...(member ? [] : ['it is no member of rds_iam']),
        ...(shut === null ? [] : [`it may not read and write ${named(shut)}`]),
      ]
  if (lacks.length === 0) return
  throw new Error(
    `The migrations are applied, but servers can not sign in as ${APPLICATION_ROLE}: ${lacks.join(', ')}. ` +
      'See "Sign-in to Amazon RDS by IAM" in docs/configuration.md, then migrate again',
  )
}

function named(tables: readonly string[]): string {
  const [first, second, ...others] = tables
  if (second === undefined) return `the table ${first}`
  return `the tables ${first}, ${second}${others.length === 0 ? '' : ` and ${others.length} more`}`
}
