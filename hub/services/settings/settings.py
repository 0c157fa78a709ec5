"""The settings of `sitehub.toml` in effect, and their changes while the hub runs.

What can change at once is marked so in `hub.config`, and read where it is used. All other settings
stay as they were at the start until the hub is restarted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Literal

import trio
from msgspec import Struct

from hub.config import SETTINGS, Config, Setting, Value, as_toml, value_of, with_values
from hub.config_sources import Loaded, Source
from hub.errors import BadParameter, CannotStoreNow, StartFault
from hub.live.feed import Change, Feed, of_kinds
from hub.services.audit import Actor, Audit
from hub.services.settings.file import edited, write

log = logging.getLogger(__name__)

#: Why a setting cannot be changed on the page: the environment or `--set` wins over the file, or a
#: wrong value could keep the hub from starting.
Lock = Literal["", "environment", "set", "file-only"]


class SettingState(Struct, frozen=True):
    """One setting. `value` is in effect; `next_value` will be after a restart."""

    setting: Setting
    value: Value
    next_value: Value
    source: Source
    in_file: Value | None
    lock: Lock

    @property
    def waits_for_restart(self) -> bool:
        return self.value != self.next_value


class SettingChange(Struct, frozen=True):
    """What a change did: `applied` at once, or after a restart."""

    name: str
    old: Value
    new: Value
    applied: bool

    def __str__(self) -> str:
        return f"{self.name}: {as_toml(self.old)} -> {as_toml(self.new)}"


class Settings:
    """The configuration in effect. `current` is replaced as a whole when settings change."""

    def __init__(self, loaded: Loaded, audit: Audit, change_feed: Feed[Change]) -> None:
        """`loaded` is what the hub starts with; later it is read from the same sources."""
        self.current: Config = loaded.config
        self._loaded = loaded
        self._sources = loaded.sources
        self._audit = audit
        self._change_feed = change_feed
        self._changing = trio.Lock()

    @property
    def path(self) -> str:
        """The file that the page writes."""
        return str(self._sources.path)

    def with_file(self, file: bytes) -> Config:
        """Return what a start would have with other contents of `sitehub.toml`.

        Raises StartFault, which names the setting, if the file is not valid.
        """
        sources = self._sources
        return sources.load(file if sources.file is None else None).config

    def with_other(self, config: Config) -> Settings:
        """Return settings with another configuration in effect, which nothing follows."""
        loaded = Loaded(config, self._sources)
        return Settings(loaded, self._audit, self._change_feed)

    async def follow(
        self,
        take_over: Callable[[Config], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Call `take_over` with the configuration in effect whenever it changes, until cancelled.

        For what has to happen at a change. Who only uses a setting reads it when it is used.
        """
        with self._change_feed.subscribe(wants=of_kinds("settings")) as changes:
            task_status.started()
            while True:
                await changes.next()
                take_over(self.current)

    def states(self) -> list[SettingState]:
        """Return all settings, in the order of the file."""
        return [self.state(name) for name in SETTINGS]

    def state(self, name: str) -> SettingState:
        """Return one setting. Raises BadParameter if there is none of this name."""
        setting = SETTINGS.get(name)
        if setting is None:
            raise BadParameter("there is no such setting", field=name)
        source = self._loaded.source_of(name)
        lock: Lock = "file-only" if setting.file_only else ""
        return SettingState(
            setting=setting,
            value=value_of(self.current, name),
            next_value=value_of(self._loaded.config, name),
            source=source,
            in_file=self._loaded.file.get(name),
            lock=source if source in ("environment", "set") else lock,
        )

    def waiting(self) -> list[SettingState]:
        """Return the settings that have another value after a restart."""
        return [state for state in self.states() if state.waits_for_restart]

    async def reload(self, *, by: Actor) -> list[SettingChange]:
        """Read the file again, and apply what can be applied at once.

        Returns the settings that differ from the last time. Raises StartFault, which names the
        setting, if the file is not valid; nothing has changed then.
        """
        async with self._changing:
            loaded = await trio.to_thread.run_sync(self._sources.load)
            return await self._adopt(loaded, by)

    async def change(
        self, changes: Mapping[str, Value | None], *, by: Actor
    ) -> list[SettingChange]:
        """Write settings into the file, None for the default, and apply them as `reload` does.

        Raises BadParameter for the name of a setting that is locked or whose value is not allowed,
        and CannotStoreNow if the file cannot be written; nothing has changed then.
        """
        for name in changes:
            if self.state(name).lock:
                raise BadParameter("cannot be changed here", field=name)
        async with self._changing:
            first = next(iter(changes), "")
            try:
                loaded = await trio.to_thread.run_sync(self._write, changes)
            except StartFault as fault:
                raise BadParameter(fault.message, field=first) from fault
            except OSError as error:
                raise CannotStoreNow(
                    f"{self.path} cannot be written: {error.strerror or error}"
                ) from error
            return await self._adopt(loaded, by)

    def _write(self, changes: Mapping[str, Value | None]) -> Loaded:
        """Check the changes, and write them. Blocks."""
        checked = {
            name: None if value is None else SETTINGS[name].check(value, "on the page")
            for name, value in changes.items()
        }
        data = edited(self._sources.read_file(), checked)
        loaded = self._sources.load(data)
        write(self._sources.path, data)
        return loaded

    async def _adopt(self, loaded: Loaded, by: Actor) -> list[SettingChange]:
        """Make `loaded` the newest configuration, and apply what can be applied at once."""
        changes = [
            SettingChange(name, old, new, setting.at_once)
            for name, setting in SETTINGS.items()
            if (old := value_of(self._loaded.config, name))
            != (new := value_of(loaded.config, name))
        ]
        self._loaded = loaded
        if applied := {change.name: change.new for change in changes if change.applied}:
            self.current = with_values(self.current, applied)
        if changes:
            log.info("settings changed: %s", "; ".join(str(change) for change in changes))
            self._change_feed.publish([Change("settings"), Change("site")])
            await self._audit.add_each(by, "settings.change", [str(change) for change in changes])
        return changes
