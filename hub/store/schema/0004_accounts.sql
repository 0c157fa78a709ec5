-- Users who cannot sign in for now, links that set up a user, and when an API key was last used.

ALTER TABLE user ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1;
ALTER TABLE api_key ADD COLUMN last_used_at INTEGER;

CREATE TABLE user_link (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    token_hash BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
