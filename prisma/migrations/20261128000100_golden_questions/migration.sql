-- Questions whose right documents a person has named: what the search is measured by.
CREATE TABLE "golden_questions" (
    "id" UUID NOT NULL DEFAULT uuidv7(),
    "collection_id" UUID NOT NULL,
    "text" TEXT NOT NULL,
    "created_by" TEXT,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "golden_questions_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "golden_answers" (
    "question_id" UUID NOT NULL,
    "document_id" UUID NOT NULL,
    "version_id" UUID NOT NULL,
    "page" INTEGER NOT NULL,
    "char_start" INTEGER NOT NULL,
    "char_end" INTEGER NOT NULL,

    CONSTRAINT "golden_answers_pkey" PRIMARY KEY ("question_id","document_id")
);

CREATE INDEX "golden_questions_collection_id_idx" ON "golden_questions"("collection_id");

CREATE INDEX "golden_answers_document_id_idx" ON "golden_answers"("document_id");

ALTER TABLE "golden_questions" ADD CONSTRAINT "golden_questions_collection_id_fkey" FOREIGN KEY ("collection_id") REFERENCES "collections"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "golden_answers" ADD CONSTRAINT "golden_answers_question_id_fkey" FOREIGN KEY ("question_id") REFERENCES "golden_questions"("id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "golden_answers" ADD CONSTRAINT "golden_answers_document_id_fkey" FOREIGN KEY ("document_id") REFERENCES "documents"("id") ON DELETE CASCADE ON UPDATE CASCADE;
