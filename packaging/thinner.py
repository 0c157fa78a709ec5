"""What the executable has less of than the packages in it, because it would lie in memory unused.

pyinstaller.spec takes this over. What is here was measured in a hub that runs: what is not
half a megabyte is not worth a line.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STAND_IN = Path(__file__).parent / "standin" / "__init__.py"

STOOD_IN_FOR = (
    # trio_asyncio has a mode of its own for it, and it brings the library of C++: 1.6 MB.
    "greenlet",
    # Of hypercorn: HTTP/2, which the web port does not offer: 1.2 MB.
    *("h2", "h2.config", "h2.connection", "h2.events", "h2.exceptions", "h2.settings", "priority"),
    # Clients for the tests of an application, with a debugger behind them: 0.5 MB.
    *("quart.testing", "quart_trio.testing"),
    # Of prometheus_client and of werkzeug: servers of their own. It knows all of HTML: 0.5 MB.
    "http.server",
)

#: Babel's data that are not in the tree: root is what all languages have in common.
LANGUAGES = {"root", "en", "zh", "zh_Hans", "zh_Hans_CN"}

#: What days and hours are written with. Names of countries, currencies, units and languages are
#: nine tenths of the rest: with those of global.dat, 5 MB once somebody looks at a page.
_OF_THE_CALENDAR = {
    *("days", "months", "quarters", "eras", "day_periods", "day_period_rules", "week_data"),
    *("date_formats", "time_formats", "datetime_formats", "locale_id"),
}
#: By language.
_LIKELY = "likely_subtags"
#: By country.
_NOT_OF_THE_CALENDAR = {"all_currencies", "territory_currencies", "territory_languages"}


def thin_locale(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of one of babel's files in locale-data."""
    return {name: value for name, value in data.items() if name in _OF_THE_CALENDAR}


def thin_global(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of babel's global.dat."""
    thin = {name: value for name, value in data.items() if name not in _NOT_OF_THE_CALENDAR}
    ours = {tag.partition("_")[0] for tag in LANGUAGES}
    thin[_LIKELY] = {
        tag: full for tag, full in data[_LIKELY].items() if tag.partition("_")[0] in ours
    }
    return thin


def is_thinned(name: str) -> bool:
    """Whether thin_file() is for what lies in the executable under that name."""
    path = Path(name)
    return path.parts[0] == "babel" and path.suffix == ".dat"


def thin_file(source: Path, folder: Path) -> Path:
    """Write one of babel's files of data again, thinner, to `folder`."""
    thin = thin_global if source.name == "global.dat" else thin_locale
    copy = folder / source.name
    copy.write_bytes(pickle.dumps(thin(pickle.loads(source.read_bytes())), protocol=2))
    return copy
