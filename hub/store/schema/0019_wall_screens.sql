-- A session may be that of a wall screen, which stays signed in.

ALTER TABLE session ADD COLUMN screen TEXT NOT NULL DEFAULT '';
