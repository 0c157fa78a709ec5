"""Webhooks: Standard Webhooks 1.0.0, with pictures as links."""
