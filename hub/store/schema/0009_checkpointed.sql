-- Ties the write-ahead log to the database's main file.

ALTER TABLE record_log ADD COLUMN checkpointed INTEGER NOT NULL DEFAULT 0;
