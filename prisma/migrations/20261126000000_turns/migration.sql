-- The last job of a flow that waits (api/src/jobs/turns.ts), without looking at the others. Of the negated priority, so
-- that the planner takes this index whatever it knows of the table: pg-boss' own one has the order of priorities too, and
-- could be read to its end for a person of whom nothing waits.
CREATE INDEX "job_flows" ON pgboss.job_common (name, group_id, (-priority))
    WHERE state < 'active' AND group_id IS NOT NULL;

-- What waits at the upgrade is first in its lane. Small files' jobs have the right priority already.
UPDATE pgboss.job SET priority = -1000000000 WHERE name IN ('ingest', 'embed') AND state < 'active' AND priority = 0;
