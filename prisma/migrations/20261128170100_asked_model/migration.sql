-- Which model was to answer: `model` is the one that did. Null where a build that does not note it began the attempt.
ALTER TABLE "attempts" ADD COLUMN "asked_model" TEXT;
