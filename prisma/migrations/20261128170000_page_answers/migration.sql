-- Answers that a page gets from the model endpoint itself (docs/decisions/0012): what the page was given, the endpoint's
-- receipt, and whether the text is anything but the page's word.
ALTER TABLE "attempts" ADD COLUMN "offer" JSONB;
ALTER TABLE "attempts" ADD COLUMN "receipt" TEXT;
ALTER TABLE "attempts" ADD COLUMN "unverified" BOOLEAN NOT NULL DEFAULT false;
