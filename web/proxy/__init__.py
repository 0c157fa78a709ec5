"""Reverse proxies in front of the hub: whom they forward for, and the path that they serve."""
