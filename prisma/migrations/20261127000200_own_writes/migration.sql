-- A person's own latest change in the log, asked with every search (retrieval/scope.ts).
CREATE INDEX "index_log_user_id_seq_idx" ON "index_log"("user_id", "seq");
