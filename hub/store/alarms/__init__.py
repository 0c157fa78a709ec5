"""Alarms (D11): raised in the writer's thread with their records, and changed by people."""
