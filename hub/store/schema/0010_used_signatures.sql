-- Signatures of changes by the API, each of which is good once.

CREATE TABLE used_signature (
    appid TEXT NOT NULL REFERENCES api_key ON DELETE CASCADE,
    sign TEXT NOT NULL,
    ts INTEGER NOT NULL,
    PRIMARY KEY (appid, sign)
) STRICT, WITHOUT ROWID;
