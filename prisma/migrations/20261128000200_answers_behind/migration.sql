-- An answer that was searched for while the index was seconds behind says so.
ALTER TABLE "attempts" ADD COLUMN "behind" BOOLEAN NOT NULL DEFAULT false;
