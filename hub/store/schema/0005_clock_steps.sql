-- Steps of the hub's clock, by which the days before them are dated.

CREATE TABLE clock_step (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    at_start INTEGER NOT NULL
) STRICT;
