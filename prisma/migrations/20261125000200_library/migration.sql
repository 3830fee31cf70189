-- Blobs that are stored but not yet named by a committed version: what a crash between the two leaves is found
-- here, never by listing the storage (which may hold another database's files).
CREATE TABLE "pending_blobs" (
    "key" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(6) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "pending_blobs_pkey" PRIMARY KEY ("key")
);

-- Beyond what schema.prisma can say -------------------------------------------------------------

-- The list of a collection (newest first: ids are UUIDv7) and its count.
CREATE INDEX "documents_live" ON "documents" ("collection_id", "id") WHERE "deleted_at" IS NULL;

-- The few versions that are under way or need attention, for the counts beside a collection's name.
CREATE INDEX "document_versions_open" ON "document_versions" ("stage", "document_id", "number")
    WHERE "stage" IN ('received', 'parsing', 'splitting', 'words', 'attention');
