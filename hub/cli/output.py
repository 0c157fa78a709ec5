"""Output of commands: tables or lines for people, JSON for programs.

Control characters, which a terminal obeys, are removed: the text may come from cameras.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar
from unicodedata import east_asian_width

import click
import msgspec

from hub.folding import visible

T = TypeVar("T")


def print_json(value: object) -> None:
    """Print UTF-8, whatever the encoding of the console: programs read this."""
    sys.stdout.flush()
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


def print_line(text: str, *, err: bool = False) -> None:
    click.echo(visible(text.rstrip()), err=err)


def print_list(
    items: Iterable[T],
    head: Sequence[str],
    cells: Callable[[T], Sequence[str]],
    *,
    as_json: bool,
    shown: Callable[[T], object] = lambda item: item,
) -> None:
    """Print a table with a row of `cells` for each item, or a list of what is `shown` of each."""
    if as_json:
        print_json([shown(item) for item in items])
    else:
        print_table(head, map(cells, items))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [head, *([visible(cell) for cell in row] for row in rows)]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """Return the number of terminal columns: a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
