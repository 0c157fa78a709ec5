"""Databases as the code of each schema wrote them. `write` says how they are made."""

from __future__ import annotations

import shutil
from pathlib import Path

from hub.store.names import KEY_FILE
from hub.store.sqlite.migrate import migrations

FOLDER = Path(__file__).parent
SCHEMAS = sorted(migrations())
#: Made of a constant, because it protects nothing but the values in these databases.
KEY = bytes(range(32))


def unpack(data_dir: Path, schema: int = SCHEMAS[-1]) -> None:
    """Unpack the data directory of a schema, by default of the latest, with rows in every table."""
    shutil.unpack_archive(FOLDER / f"schema_{schema}.zip", data_dir)
    (data_dir / KEY_FILE).write_text(KEY.hex())
