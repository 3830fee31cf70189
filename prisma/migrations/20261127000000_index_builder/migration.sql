-- Who builds the checkpoints that servers share, and in which term (index/shared/term.ts).
CREATE TABLE "index_builder" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "term" BIGINT NOT NULL DEFAULT 0,
    "owner" TEXT,
    "lease_until" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "index_builder_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "index_builder_one_row" CHECK ("id" = 1)
);
INSERT INTO "index_builder" ("id") VALUES (1);
