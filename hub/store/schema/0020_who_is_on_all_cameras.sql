-- How many cameras hold a person as it is now, counted in an index.

DROP INDEX holding_pid;
CREATE INDEX holding_pid ON holding (pid, revision);
