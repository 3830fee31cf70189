-- The words of passages, for searches while the search engine is away (docs/decisions/0023). Nothing is in these tables where
-- the index is embedded.

-- CreateTable
CREATE TABLE "word_documents" (
    "id" SERIAL NOT NULL,
    "document_key" INTEGER NOT NULL,
    "collection_key" INTEGER NOT NULL,
    "version_id" UUID NOT NULL,
    "reading_id" INTEGER NOT NULL,
    "read_at" TIMESTAMPTZ(6) NOT NULL,
    "ready" BOOLEAN NOT NULL DEFAULT false,
    "passages" INTEGER NOT NULL DEFAULT 0,
    "length" BIGINT NOT NULL DEFAULT 0,
    "languages" TEXT[] DEFAULT ARRAY[]::TEXT[],

    CONSTRAINT "word_documents_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "passage_words" (
    "passage_id" BIGINT NOT NULL,
    "word_document_id" INTEGER NOT NULL,
    "collection_key" INTEGER NOT NULL,
    "language" TEXT NOT NULL,
    "length" INTEGER NOT NULL,
    "words" tsvector NOT NULL,

    CONSTRAINT "passage_words_pkey" PRIMARY KEY ("passage_id")
);

-- CreateTable
CREATE TABLE "word_fill" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "epoch" UUID NOT NULL,
    "seq" BIGINT NOT NULL,

    CONSTRAINT "word_fill_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "word_documents_document_key_idx" ON "word_documents"("document_key");

-- CreateIndex
CREATE INDEX "word_documents_collection_key_idx" ON "word_documents"("collection_key");

-- CreateIndex
CREATE UNIQUE INDEX "word_documents_version_id_reading_id_key" ON "word_documents"("version_id", "reading_id");

-- CreateIndex
CREATE INDEX "passage_words_word_document_id_idx" ON "passage_words"("word_document_id");

-- CreateIndex
CREATE INDEX "passage_words_collection_key_idx" ON "passage_words"("collection_key");

-- CreateIndex
CREATE INDEX "passage_words_words_idx" ON "passage_words" USING GIN ("words");

-- AddForeignKey
ALTER TABLE "word_documents" ADD CONSTRAINT "word_documents_version_id_fkey" FOREIGN KEY ("version_id") REFERENCES "document_versions"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "passage_words" ADD CONSTRAINT "passage_words_passage_id_fkey" FOREIGN KEY ("passage_id") REFERENCES "passages"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "passage_words" ADD CONSTRAINT "passage_words_word_document_id_fkey" FOREIGN KEY ("word_document_id") REFERENCES "word_documents"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- Words are read in every row that is looked at: beside it, unpacked, they cost no second look.
ALTER TABLE "passage_words" ALTER COLUMN "words" SET STORAGE EXTERNAL;
ALTER TABLE "passage_words" SET (toast_tuple_target = 8160);

-- An answer that was searched for by words only, since the search engine was away, says so.
ALTER TABLE "attempts" ADD COLUMN "words_only" TEXT;
