-- Which engine answers searches, and which other one is kept beside it (index/switch/choice.ts). No row: INDEX_ENGINE.
CREATE TABLE "search_engine" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "engine" TEXT NOT NULL,
    "beside" TEXT,
    "phase" TEXT,
    "rate" INTEGER,
    "number" BIGINT NOT NULL DEFAULT 1,
    "since" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "search_engine_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "search_engine_one_row" CHECK ("id" = 1),
    CONSTRAINT "search_engine_beside" CHECK (("beside" IS NULL) = ("phase" IS NULL) AND "beside" IS DISTINCT FROM "engine")
);

-- What each running API server says of its engines, every few seconds (index/switch/servers.ts).
CREATE TABLE "search_engine_servers" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "heard" BIGINT NOT NULL,
    "answers" TEXT NOT NULL,
    "has_cluster" BOOLEAN NOT NULL,
    "engines" JSONB NOT NULL,
    "seen_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "search_engine_servers_pkey" PRIMARY KEY ("id")
);

-- Comparisons of two engines: ordered by the command, done by a server (index/switch/checks.ts).
CREATE TABLE "search_engine_checks" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "sample" INTEGER NOT NULL,
    "asked_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "claimed_by" UUID,
    "claimed_until" TIMESTAMPTZ(6),
    "result" JSONB,
    "trouble" TEXT,

    CONSTRAINT "search_engine_checks_pkey" PRIMARY KEY ("id")
);

-- Up to where each copy of the index no longer needs the log (index/shared/log-cut.ts).
CREATE TABLE "index_log_floors" (
    "copy" TEXT NOT NULL,
    "seq" BIGINT NOT NULL,
    "at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "index_log_floors_pkey" PRIMARY KEY ("copy")
);
