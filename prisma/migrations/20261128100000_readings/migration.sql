-- Readings: what a parser and a splitter make of a version's file. Several lie side by side while another one is
-- built and switched to (docs/decisions/0010). Older builds write the first one: it is the default everywhere.

-- CreateTable
CREATE TABLE "readings" (
    "id" SERIAL NOT NULL,
    "parser" INTEGER NOT NULL,
    "splitter" INTEGER NOT NULL,
    "passage_tokens" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "readings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "version_readings" (
    "version_id" UUID NOT NULL,
    "reading_id" INTEGER NOT NULL,
    "pages" INTEGER NOT NULL,
    "passages" INTEGER NOT NULL,
    "tokens" INTEGER NOT NULL,
    "at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "version_readings_pkey" PRIMARY KEY ("version_id","reading_id")
);

-- What every installation has read with until now.
INSERT INTO "readings" ("parser", "splitter", "passage_tokens") VALUES (1, 1, 200);

-- AlterTable
ALTER TABLE "generations" ADD COLUMN "reading_id" INTEGER NOT NULL DEFAULT 1,
ADD COLUMN "embedder_digest" TEXT;

-- AlterTable
ALTER TABLE "document_versions" ADD COLUMN "reading_id" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "pages" ADD COLUMN "reading_id" INTEGER NOT NULL DEFAULT 1,
DROP CONSTRAINT "pages_pkey",
ADD CONSTRAINT "pages_pkey" PRIMARY KEY ("version_id", "reading_id", "number");

-- AlterTable
ALTER TABLE "passages" ADD COLUMN "reading_id" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "index_log" ADD COLUMN "reading_id" INTEGER;

-- AlterTable
ALTER TABLE "citations" ADD COLUMN "reading_id" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "golden_answers" ADD COLUMN "reading_id" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "attempts" ADD COLUMN "document_ids" UUID[];

-- DropIndex
DROP INDEX "passages_version_id_ordinal_key";

-- CreateIndex
CREATE UNIQUE INDEX "readings_parser_splitter_passage_tokens_key" ON "readings"("parser", "splitter", "passage_tokens");

-- CreateIndex
CREATE INDEX "version_readings_reading_id_version_id_idx" ON "version_readings"("reading_id", "version_id");

-- CreateIndex
CREATE UNIQUE INDEX "passages_version_id_reading_id_ordinal_key" ON "passages"("version_id", "reading_id", "ordinal");

-- CreateIndex
CREATE INDEX "citations_version_id_idx" ON "citations"("version_id");

-- AddForeignKey
ALTER TABLE "version_readings" ADD CONSTRAINT "version_readings_version_id_fkey" FOREIGN KEY ("version_id") REFERENCES "document_versions"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "version_readings" ADD CONSTRAINT "version_readings_reading_id_fkey" FOREIGN KEY ("reading_id") REFERENCES "readings"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "generations" ADD CONSTRAINT "generations_reading_id_fkey" FOREIGN KEY ("reading_id") REFERENCES "readings"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- Beyond what schema.prisma can say -------------------------------------------------------------

INSERT INTO "version_readings" ("version_id", "reading_id", "pages", "passages", "tokens")
SELECT v."id", 1, coalesce(v."pages", 0), coalesce(v."passages", 0), coalesce(v."tokens", 0) FROM "document_versions" v
WHERE EXISTS (SELECT 1 FROM "pages" p WHERE p."version_id" = v."id");
