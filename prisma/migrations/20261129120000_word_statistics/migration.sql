-- How many passages have a word is told by PostgreSQL's sample for the 5,000 commonest words instead of 1,000: rarer ones have to be
-- counted at every question, and of a million passages that was up to 10,000 for each (docs/decisions/0023). Costs nothing where the table is empty.
ALTER TABLE "passage_words" ALTER COLUMN "words" SET STATISTICS 500;
