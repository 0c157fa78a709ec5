"""Arithmetic of time spans: lists of (begin, end), ascending, that neither touch nor overlap."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: Begin, included, and end, not included.
Span = tuple[int, int]


def union(spans: Iterable[Span]) -> list[Span]:
    """Return the times that are in any of these spans, which may be in any order and overlap."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if end <= begin:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def overlap(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    """Return the times that are in both."""
    found: list[Span] = []
    left = right = 0
    while left < len(first) and right < len(second):
        begin = max(first[left][0], second[right][0])
        end = min(first[left][1], second[right][1])
        if begin < end:
            found.append((begin, end))
        if first[left][1] < second[right][1]:
            left += 1
        else:
            right += 1
    return found


def without(spans: Sequence[Span], removed: Sequence[Span]) -> list[Span]:
    """Return the times of the first that are not in the second."""
    if not spans:
        return []
    begin, end = spans[0][0], spans[-1][1]
    edges = [begin, *(edge for span in removed for edge in span), end]
    gaps = [(edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
    return overlap(spans, union(gaps))


def total(spans: Iterable[Span]) -> int:
    """Return how long they are together."""
    return sum(end - begin for begin, end in spans)
