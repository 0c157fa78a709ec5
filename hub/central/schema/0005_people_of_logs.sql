-- Logs that do not continue each other may have another person under the same number each.
ALTER TABLE sitehub.erased_person DROP CONSTRAINT erased_person_pkey,
    ADD PRIMARY KEY (hub, digest, log);
