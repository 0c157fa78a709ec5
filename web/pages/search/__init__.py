"""Search: a question to the record log, its answer, and what is made of it."""
