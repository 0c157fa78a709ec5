"""Colours can be told apart in light and in dark: WCAG 2.1 AA, 1.4.3 and 1.4.11."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_STATIC = Path(__file__).parents[2] / "web/static"
_TEXT, _SHAPE = 4.5, 3.0
_WHITE = "#ffffff"
_PAGE = ("ground", "surface", "hover")
#: What is read or seen, on all that may be behind it.
_PAIRS = [
    (_TEXT, "ink", (*_PAGE, "sunken", "accent-soft", "warn-soft", "bad-soft")),
    (_TEXT, "quiet", (*_PAGE, "sunken")),
    (_TEXT, "accent", (*_PAGE, "accent-soft")),
    (_TEXT, "good", _PAGE),
    (_TEXT, "warn", (*_PAGE, "warn-soft")),
    (_TEXT, "bad", (*_PAGE, "bad-soft")),
    (_TEXT, "on-accent", ("accent",)),
    (_TEXT, _WHITE, ("bad-solid", "frame-critical")),
    (_SHAPE, "field-line", ("ground", "surface")),
    (_SHAPE, "accent", ("sunken",)),
    (_SHAPE, "frame-critical", ("ground", "surface")),
    (_SHAPE, "frame-major", ("ground", "surface")),
    (_SHAPE, "frame-minor", ("ground", "surface")),
]


def _colours() -> dict[str, tuple[str, str]]:
    """Colours by name, each in light and in dark."""
    texts = [(_STATIC / name).read_text("utf-8") for name in ("sitehub.css", "alarms.css")]
    found = {_WHITE: (_WHITE, _WHITE)}
    for name, light, dark in re.findall(
        r"--([\w-]+): (?:light-dark\()?(#\w{6})(?:, (#\w{6})\))?;", texts[0]
    ):
        found[name] = (light, dark or light)
    frames = re.findall(r"--frame: light-dark\((#\w{6}), (#\w{6})\);", texts[1])
    severities = ("critical", "major", "minor")
    for severity, frame in zip(severities, frames, strict=True):
        found[f"frame-{severity}"] = frame
    return found


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("look", [0, 1], ids=["light", "dark"])
def test_the_colours_of_text_and_frames_stand_out(look: int) -> None:
    colours = {name: pair[look] for name, pair in _colours().items()}
    too_low = {
        (name, behind): round(contrast, 2)
        for least, name, grounds in _PAIRS
        for behind in grounds
        if (contrast := _contrast(colours[name], colours[behind])) < least
    }
    assert too_low == {}
