"""Bar charts as SVG: where each bar and label stands. Colours are those of the stylesheet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from msgspec import Struct

from hub.services.reports.report import Cell, Chart
from web.language import gettext
from web.pages.reports import labels
from web.pages.reports.cells import Cells, length_text, series_name

#: Of the drawing, which scales with the page.
WIDTH, HEIGHT = 720, 240
_LEFT, _TOP, _BOTTOM = 52, 14, 28
#: Bars of cameras lie, one below the other.
_ROW, _NAME = 26, 190
_TICKS = 4


class Bar(Struct, frozen=True):
    """`look`: the number of its series, for the colour. `title`: shown by a pointer."""

    x: float
    y: float
    width: float
    height: float
    look: int
    title: str


class Mark(Struct, frozen=True):
    """A label, or a line of the scale."""

    x: float
    y: float
    text: str


class Legend(Struct, frozen=True):
    look: int
    text: str


class ChartView(Struct, frozen=True, kw_only=True):
    """`rows`: the same as a table: a heading and the values of each label, as text."""

    title: str
    width: int
    height: int
    bars: list[Bar]
    labels: list[Mark]
    ticks: list[Mark]
    legend: list[Legend]
    columns: list[str]
    rows: list[tuple[str, list[str]]]
    lies: bool


def make_chart(chart: Chart, cells: Cells) -> ChartView | None:
    """Return the drawing of a chart; None if there is nothing to see, or one bar only."""
    is_single = chart.label_kind == "day" and len(chart.labels) == 1
    if is_single or not any(value for one in chart.series for value in one.values):
        return None
    names = [_label(chart, label, cells) for label in chart.labels]
    shown = [(look, one) for look, one in enumerate(chart.series) if any(one.values)]
    draw = _draw_lying if chart.label_kind == "camera" else _draw_standing
    bars, marks, ticks, height = draw(chart, names)
    return ChartView(
        title=gettext(labels.CHARTS[chart.name]),
        width=WIDTH,
        height=height,
        bars=bars,
        labels=marks,
        ticks=ticks,
        legend=[Legend(look, series_name(one.name)) for look, one in shown]
        if len(chart.series) > 1
        else [],
        columns=[series_name(one.name) for _, one in shown],
        rows=[
            (name, [_value(chart, one.values[place]) for _, one in shown])
            for place, name in enumerate(names)
        ],
        lies=chart.label_kind == "camera",
    )


def _draw_standing(
    chart: Chart, names: Sequence[str]
) -> tuple[list[Bar], list[Mark], list[Mark], int]:
    """Stacked bars side by side, above their labels."""
    count = len(chart.labels)
    step, room = (WIDTH - _LEFT) / count, HEIGHT - _TOP - _BOTTOM
    top = _round_up(max(sum(one.values[n] for one in chart.series) for n in range(count)))
    bars: list[Bar] = []
    for place in range(count):
        y = float(HEIGHT - _BOTTOM)
        for look, one in enumerate(chart.series):
            height = one.values[place] / top * room
            if height:
                y -= height
                title = (
                    f"{names[place]}: {series_name(one.name)} {_value(chart, one.values[place])}"
                )
                bars.append(
                    Bar(
                        round(_LEFT + place * step + step * 0.12, 2),
                        round(y, 2),
                        round(step * 0.76, 2),
                        round(height, 2),
                        look,
                        title,
                    )
                )
    every = 1 if count <= 8 else 3 if count <= 24 else 5
    marks = [
        Mark(round(_LEFT + (place + 0.5) * step, 2), HEIGHT - 8, _short(chart, place, names))
        for place in range(0, count, every)
    ]
    ticks = [
        Mark(
            _LEFT,
            round(HEIGHT - _BOTTOM - room * tick / _TICKS, 2),
            _value(chart, top * tick / _TICKS),
        )
        for tick in range(_TICKS + 1)
    ]
    return bars, marks, ticks, HEIGHT


def _draw_lying(
    chart: Chart, names: Sequence[str]
) -> tuple[list[Bar], list[Mark], list[Mark], int]:
    """Bars below each other, beside their labels, with their values behind them."""
    (series,) = chart.series
    room, top = WIDTH - _NAME - 110, max(series.values) or 1
    bars, marks, values = [], [], []
    for place, value in enumerate(series.values):
        y, width = place * _ROW + 5, value / top * room
        text = _value(chart, value)
        bars.append(Bar(_NAME, y, round(max(width, 1), 2), _ROW - 10, 0, f"{names[place]}: {text}"))
        name = names[place]
        marks.append(Mark(_NAME - 8, y + 13, name if len(name) <= 22 else name[:21] + "…"))
        values.append(Mark(round(_NAME + width + 8, 2), y + 13, text))
    return bars, marks, values, len(names) * _ROW


def _label(chart: Chart, label: Cell, cells: Cells) -> str:
    if chart.label_kind == "hour":
        return f"{label:02}:00"
    if chart.label_kind == "camera":
        return cells.camera(str(label))
    return str(label)


def _short(chart: Chart, place: int, names: Sequence[str]) -> str:
    if chart.label_kind != "day":
        return names[place][:2]
    day = date.fromisoformat(names[place])
    return f"{day.month}/{day.day}" if len(names) <= 8 else str(day.day)


def _value(chart: Chart, value: float) -> str:
    if chart.unit == "length":
        return length_text(int(value), pages=True)
    return f"{value:g}" if value < 1e6 else f"{value:.0f}"


def _round_up(value: float) -> float:
    """Return the next number above whose quarters are round."""
    size = 1.0
    while True:
        for factor in (4, 8, 12, 20, 32):
            if value <= factor * size:
                return factor * size
        size *= 10
