"""Forwards the record log to other systems: targets with a durable cursor each."""
