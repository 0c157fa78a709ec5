"""The seeds of tests that try something several times: $SEEDS, separated by commas."""

from __future__ import annotations

import os

SEEDS = [int(seed) for seed in os.environ.get("SEEDS", "1,2").split(",")]
