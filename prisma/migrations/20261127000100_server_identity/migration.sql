-- Which PostgreSQL the log's epoch was last seen on (index/epoch.ts).
ALTER TABLE "index_head" ADD COLUMN "system_identifier" TEXT;
ALTER TABLE "index_head" ADD COLUMN "timeline" INTEGER;
