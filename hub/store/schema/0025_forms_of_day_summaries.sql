-- What the summary of a day consists of. Those of the first form are made again in the background.

ALTER TABLE report_day ADD COLUMN form INTEGER NOT NULL DEFAULT 1;
