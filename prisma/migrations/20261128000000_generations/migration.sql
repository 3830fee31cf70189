-- How far a generation is that is built, or kept complete, in the background (generations/fill.ts).
CREATE TABLE "generation_fills" (
    "generation_id" INTEGER NOT NULL,
    "started_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "embedded" BIGINT NOT NULL DEFAULT 0,
    "rate" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "rate_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "complete_at" TIMESTAMPTZ(6),
    "error_code" TEXT,
    "error_detail" JSONB,
    "retry_at" TIMESTAMPTZ(6),

    CONSTRAINT "generation_fills_pkey" PRIMARY KEY ("generation_id")
);

-- AddForeignKey
ALTER TABLE "generation_fills" ADD CONSTRAINT "generation_fills_generation_id_fkey" FOREIGN KEY ("generation_id") REFERENCES "generations"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Beyond what schema.prisma can say -------------------------------------------------------------

-- One generation is active, one at a time is built.
UPDATE "generations" SET "state" = 'retired' WHERE "state" = 'active'
    AND "id" > (SELECT min("id") FROM "generations" WHERE "state" = 'active');
CREATE UNIQUE INDEX "generations_one_active" ON "generations" ("state") WHERE "state" = 'active';
CREATE UNIQUE INDEX "generations_one_building" ON "generations" ("state") WHERE "state" = 'building';
