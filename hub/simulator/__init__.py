"""Simulated cameras: real clients of the real ports, for tests, demo, benchmarks, acceptance."""
