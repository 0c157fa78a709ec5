"""Sends to NATS JetStream: each record exactly once and in order, by compare-and-set."""
