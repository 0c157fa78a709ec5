"""The store: one SQLite database, and one pack file of pictures per day. The only place with SQL.

`opening` opens a `db.Store`, which holds the record log (`records`) and the tables in memory
(`tables`). Both write through the group commit (`commit`), which appends pictures to packs
(`media`).
"""
