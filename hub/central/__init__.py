"""The receiving side of many hubs: from NATS to PostgreSQL. It is no part of a site's hub."""
