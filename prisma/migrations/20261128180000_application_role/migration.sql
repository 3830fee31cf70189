-- The role that servers sign in as on AWS: it reads and writes every table, and makes, changes or drops none.
-- Where whoever migrates may not make roles, or does not own the tables, it is left out and nothing needs it: servers then
-- sign in as they did. It has no password and, but for Amazon RDS (where there is a role rds_iam), may not sign in.

DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrace_app') THEN
    RETURN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') THEN
    CREATE ROLE terrace_app NOLOGIN;
    RETURN;
  END IF;
  -- Whoever makes a role is a member of it for good (from PostgreSQL 16 on, but for superusers), and members of members of
  -- rds_iam can't sign in with a password any more: the owner would lock itself out. So another role makes it, and goes.
  CREATE ROLE terrace_role_maker NOLOGIN CREATEROLE;
  EXECUTE format('GRANT terrace_role_maker TO %I', current_user);
  SET LOCAL ROLE terrace_role_maker;
  CREATE ROLE terrace_app LOGIN;
  RESET ROLE;
  DROP ROLE terrace_role_maker;
EXCEPTION
  WHEN insufficient_privilege THEN RAISE WARNING 'the role terrace_app was left out: %', SQLERRM;
  -- Another database of this cluster is migrated at the same time.
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

-- It signs in by IAM and by nothing else.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam')
    OR NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrace_app') THEN
    RETURN;
  END IF;
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
    AND pg_has_role(current_user, 'terrace_app', 'MEMBER') THEN
    RAISE WARNING 'terrace_app was not made a member of rds_iam: % is a member of it and could sign in by IAM only', current_user;
    RETURN;
  END IF;
  GRANT rds_iam TO terrace_app;
EXCEPTION
  WHEN insufficient_privilege THEN RAISE WARNING 'terrace_app can not sign in by IAM: %', SQLERRM;
END $$;

-- What is there, and what later migrations of the same owner make. An owner of that very name has it all.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'terrace_app') OR current_user = 'terrace_app' THEN
    RETURN;
  END IF;
  GRANT USAGE ON SCHEMA public, pgboss TO terrace_app;
  GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, pgboss TO terrace_app;
  GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public, pgboss TO terrace_app;
  GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgboss TO terrace_app;
  ALTER DEFAULT PRIVILEGES IN SCHEMA public, pgboss GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO terrace_app;
  ALTER DEFAULT PRIVILEGES IN SCHEMA public, pgboss GRANT USAGE, SELECT ON SEQUENCES TO terrace_app;
  ALTER DEFAULT PRIVILEGES IN SCHEMA public, pgboss GRANT EXECUTE ON FUNCTIONS TO terrace_app;
  -- Which migrations there were is not for it to say.
  IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
    REVOKE INSERT, UPDATE, DELETE ON public._prisma_migrations FROM terrace_app;
  END IF;
EXCEPTION
  WHEN insufficient_privilege THEN RAISE WARNING 'terrace_app was not given the tables: %', SQLERRM;
END $$;
