"""Which requests the sync may send (D10), whatever happens."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct

from hub.store.people.person_rows import Person
from tests.support.synced_site import SyncedCamera, SyncedSite, Watch

_ADD, _DELETE = "/person/add", "/person/delete"
_QUERY, _LIST = "/person/query", "/person/list"
#: What was decided before a change may still be sent: a round takes about half a second, and ends
#: with a request that is not answered.
_LAG_MS = 1_000


class _Version(Struct, frozen=True):
    """A person of the register, or None if there is none, from a time on."""

    since: int
    person: Person | None


class _Membership(Struct, frozen=True):
    """The groups of a camera, from a time on."""

    since: int
    groups: frozenset[int]


class AllowedRequests(Watch):
    """Watches all cameras, and notes every request that D10 forbids.

    - Only people of the register are added, to cameras on which they should be now; and only those
      are removed who should not be there, or whom a camera takes only anew.
    - A camera is changed only while it is managed.
    - One change at a time is sent to a camera.
    - What was sent and not answered is asked for before it is sent again.
    """

    def __init__(self, site: SyncedSite) -> None:
        self.forbidden: list[str] = []
        self._site = site
        self._people: dict[str, list[_Version]] = {}
        self._groups: dict[str, list[_Membership]] = {}
        self._in_doubt: set[tuple[str, str]] = set()
        self._changing: set[str] = set()

    def note_person(self, pid: str, person: Person | None, since: int) -> None:
        self._people.setdefault(pid, []).append(_Version(since, person))

    def note_groups(self, did: str, groups: Collection[int], since: int) -> None:
        self._groups.setdefault(did, []).append(_Membership(since, frozenset(groups)))

    def asked(self, camera: SyncedCamera, uri: str, pid: str) -> None:
        if uri not in (_ADD, _DELETE):
            return
        if self._site.store.device_people.get(camera.did).state != "managed":
            self._forbid(camera, uri, pid, "the camera is not managed")
        if camera.did in self._changing:
            self._forbid(camera, uri, pid, "another change is in flight")
        if (camera.sn, pid) in self._in_doubt:
            self._forbid(camera, uri, pid, "it was not asked whether the camera has the person")
        should = set(self._should(camera.did, pid))
        if uri == _ADD and True not in should:
            self._forbid(camera, uri, pid, "nobody wants the person there")
        if uri == _DELETE and False not in should and not _may_take_anew(camera):
            self._forbid(camera, uri, pid, "the person should be there")
        self._changing.add(camera.did)
        self._in_doubt.add((camera.sn, pid))

    def answered(self, camera: SyncedCamera, uri: str, pid: str) -> None:
        if uri == _LIST:
            self._in_doubt = {one for one in self._in_doubt if one[0] != camera.sn}
        elif uri in (_ADD, _DELETE, _QUERY):
            self._in_doubt.discard((camera.sn, pid))

    def ended(self, camera: SyncedCamera, uri: str, pid: str) -> None:
        if uri in (_ADD, _DELETE):
            self._changing.discard(camera.did)

    def _should(self, did: str, pid: str) -> Iterator[bool]:
        """Whether the person should be on the camera, now or a moment ago."""
        now = self._site.clock.ms
        for version in _recent(self._people.get(pid, [_Version(0, None)]), now):
            for membership in _recent(self._groups.get(did, [_Membership(0, frozenset())]), now):
                yield _is_wanted(version.person, membership.groups, now)
                yield _is_wanted(version.person, membership.groups, now - _LAG_MS)

    def _forbid(self, camera: SyncedCamera, uri: str, pid: str, why: str) -> None:
        self.forbidden.append(f"{uri} of {pid} to {camera.did} ({camera.sn}): {why}")


def _recent(
    history: list[_Version] | list[_Membership], now: int
) -> list[_Version] | list[_Membership]:
    """What holds now, and what has ceased to hold only a moment ago."""
    ends = [one.since for one in history[1:]] + [now]
    return [one for one, end in zip(history, ends, strict=True) if end >= now - _LAG_MS]


def _is_wanted(person: Person | None, groups: Collection[int], at: int) -> bool:
    return (
        person is not None
        and (person.everywhere or not set(groups).isdisjoint(person.groups))
        and (person.valid_from is None or person.valid_from <= at)
        and (person.valid_until is None or at < person.valid_until)
    )


def _may_take_anew(camera: SyncedCamera) -> bool:
    """Whether it refuses some people, so that removing them first may help."""
    quirks = camera.state.people.quirks
    return quirks.deletes_first or bool(quirks.refuses_photo)
