"""Simulated cameras: real clients of a hub's ports, for tests, the demo and benchmarks."""
