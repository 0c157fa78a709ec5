"""The results of the commands that only edition 3 has (D12), from a simulated camera's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pybase64
from msgspec import Struct

from hub.errors import NoSuchResource
from hub.simulator.device.results import CommandResults
from hub.simulator.device.state import DeviceState
from hub.wire.commands import edition_3_commands as edition_3
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_params import (
    EthernetSet,
    PatrolNodeAdd,
    PatrolNodeDelete,
    PatrolOf,
    PatrolSpeed,
    PatrolStay,
    PersonUpdate,
    PhotoSearch,
    PresetOf,
    PresetSet,
    ServerSet,
)

Result = dict[str, Any] | None

_FACTORY_OSD = {
    "b_showOSD": True,
    "time_format": "YYYY-MM-DD hh:mm:ss",
    "position": "left_bottom",
    "time_pos": "right_top",
}
_FACTORY_WIRED = {
    "dhcp": True,
    "mask": "255.255.255.0",
    "gateway": "192.168.1.1",
    "dns": "192.168.1.1",
}
_MOST_MASKS = 4


class _Patrol(Struct):
    """A patrol: its presets in order, each with the seconds that it stays."""

    stops: list[tuple[int, int]]
    speed: int = 100
    is_started: bool = False


class Edition3Results:
    """Carries out commands of edition 3 on `state`, and returns their results."""

    def __init__(self, state: DeviceState, results: CommandResults) -> None:
        self._state = state
        self._results = results
        self._presets: dict[int, str] = {1: "Gate"}
        self._patrols: dict[int, _Patrol] = {}
        self._by_name: dict[str, Callable[[Any], Result]] = {
            edition_3.GET_INFO.name: self._info,
            edition_3.PERSON_UPDATE.name: self._update,
            edition_3.PERSON_CLEAR.name: self._clear,
            edition_3.PHOTO_SEARCH.name: self._who_is,
            edition_3.GET_STREAMS.name: self._streams,
            edition_3.GET_AUDIO_INPUT.name: self._audio_input,
            edition_3.GET_AUDIO_OUTPUT.name: self._audio_output,
            edition_3.GET_OSD.name: self._osd,
            edition_3.GET_EXPOSURE.name: self._exposure,
            edition_3.GET_PRIVACY.name: self._privacy,
            edition_3.GET_INTERFACES.name: self._interfaces,
            edition_3.LIST_ACCESS_POINTS.name: self._access_points,
            edition_3.SET_SERVER.name: self._set_server,
            edition_3.SET_ETHERNET.name: self._set_ethernet,
            edition_3.DISK_FORMAT.name: self._format,
            edition_3.PATROL_CREATE.name: self._create_patrol,
            edition_3.PATROL_DELETE.name: self._delete_patrol,
            edition_3.GET_PATROLS.name: self._list_patrols,
            edition_3.GET_PATROL_NODES.name: self._list_nodes,
            edition_3.PATROL_ADD_NODE.name: self._add_node,
            edition_3.PATROL_DELETE_NODE.name: self._delete_node,
            edition_3.PATROL_SET_SPEED.name: self._set_speed,
            edition_3.PATROL_SET_STAY.name: self._set_stay,
            edition_3.PATROL_START.name: self._start_patrol,
            edition_3.PATROL_STOP.name: self._stop_patrols,
            edition_3.PRESET_SET.name: self._set_preset,
            edition_3.PRESET_LOCATE.name: self._check_preset,
            edition_3.PRESET_DELETE.name: self._delete_preset,
            edition_3.GET_PRESETS.name: self._list_presets,
        }

    def result(self, command: Command[Any, Any], param: Struct) -> Result:
        """Carry out the command; None if success has no result. Raises HubError.

        What only sets something is remembered in `state.told`.
        """
        act = self._by_name.get(command.name)
        if act is None:
            self._state.told[command.name] = param
            return None
        return act(param)

    def _told(self, command: Command[Any, Any]) -> dict[str, Any]:
        told = self._state.told.get(command.name, command.example)
        fields = msgspec.to_builtins(told)
        assert isinstance(fields, dict)
        return {name: value for name, value in fields.items() if not name.startswith("channel")}

    def _info(self, _param: Struct) -> Result:
        identity = self._state.identity
        return {
            "type": "SIM1126",
            "hardware": "V1.2",
            "sn": identity.sn,
            "devid": identity.devid,
            "auth_code": identity.code,
            "firmware": self._state.versions.fw_ver,
            "model": "SIM-C3",
            "algorithm": "sim 3.0",
            "syslanguage": "zh",
            "supported_langs": ["zh", "en"],
        }

    def _update(self, param: PersonUpdate) -> None:
        self._results.update_person(param)

    def _clear(self, _param: Struct) -> None:
        self._state.people.clear()

    def _who_is(self, param: PhotoSearch) -> Result:
        photo = pybase64.b64decode(param.photo, validate=True)
        found = self._state.people.most_similar(photo)
        if found is None:
            return {"name": "", "jepg_url": ""}
        return {
            "name": found.name,
            "jepg_url": found.photo,
            "age": found.age,
            "gender": found.gender,
            "feature": [0.5] * 512,
        }

    def _streams(self, _param: Struct) -> Result:
        return self._told(edition_3.SET_STREAMS)

    def _audio_input(self, _param: Struct) -> Result:
        return {**self._told(edition_3.SET_AUDIO_INPUT), "sample_rate": 8000, "bit_width": 16}

    def _audio_output(self, _param: Struct) -> Result:
        told = self._told(edition_3.SET_AUDIO_OUTPUT)
        return {**told, "enc_type": "g711u", "sample_rate": 8000, "ao_dev": "built-in"}

    def _osd(self, _param: Struct) -> Result:
        if edition_3.SET_OSD.name not in self._state.told:
            return {**_FACTORY_OSD, "channel_name": "IPC"}
        fields = msgspec.to_builtins(self._state.told[edition_3.SET_OSD.name])
        assert isinstance(fields, dict)
        return {name: value for name, value in fields.items() if name != "channelId"}

    def _exposure(self, _param: Struct) -> Result:
        return self._told(edition_3.SET_EXPOSURE)

    def _privacy(self, _param: Struct) -> Result:
        limits = {"maxRect": _MOST_MASKS, "maxW": 2560, "maxH": 1440}
        if edition_3.SET_PRIVACY.name not in self._state.told:
            return {**limits, "bEnable": False, "rects_cnt": 0, "rects": []}
        return {**limits, **self._told(edition_3.SET_PRIVACY)["region"]}

    def _interfaces(self, _param: Struct) -> Result:
        wired = _FACTORY_WIRED
        if edition_3.SET_ETHERNET.name in self._state.told:
            wired = self._told(edition_3.SET_ETHERNET)
        return {
            "iface": "eth0",
            "eth": {
                **wired,
                "name": "eth0",
                "addr": self._state.address,
                "mac": self._state.identity.mac,
            },
            "wifi": {"name": "null", "quality": 0, "keystat": 0, "mode": "", "dhcp": False},
            "_4G": {"quality": 0},
        }

    def _access_points(self, _param: Struct) -> Result:
        point = {"ssid": "Site", "passwd": "not-a-password-1", "quality": 70, "keystat": 1}
        return {"aplist": [point]}

    def _set_server(self, param: ServerSet) -> None:
        """Take over the paths: this camera is always led to the same host and ports."""
        self._state.ws_path = urlsplit(param.websocket.websocket_addr).path or "/"
        self._state.http_base = urlsplit(param.http_addr).path.rstrip("/")

    def _set_ethernet(self, param: EthernetSet) -> None:
        self._state.told[edition_3.SET_ETHERNET.name] = param
        self._state.address = self._state.identity.ip if param.dhcp else param.addr

    def _format(self, _param: Struct) -> None:
        self._state.formatted_at = self._state.clock()

    def _create_patrol(self, _param: Struct) -> Result:
        number = next(n for n in range(len(self._patrols) + 1) if n not in self._patrols)
        self._patrols[number] = _Patrol([])
        return {"patrolid": number}

    def _patrol(self, number: int) -> _Patrol:
        patrol = self._patrols.get(number)
        if patrol is None:
            raise NoSuchResource(f"there is no patrol {number}")
        return patrol

    def _delete_patrol(self, param: PatrolOf) -> None:
        self._patrol(param.patrolid)
        del self._patrols[param.patrolid]

    def _list_patrols(self, _param: PatrolOf) -> Result:
        return {
            "patrolsList": [
                {
                    "patrolid": number,
                    "bStart": patrol.is_started,
                    "speed": patrol.speed,
                    "preset_cnt": len(patrol.stops),
                    "preset": [
                        {**self._named(preset), "staySeconds": seconds}
                        for preset, seconds in patrol.stops
                    ],
                }
                for number, patrol in self._patrols.items()
            ]
        }

    def _named(self, preset: int) -> dict[str, Any]:
        return {"presetno": preset, "name": self._presets.get(preset, "")}

    def _list_nodes(self, param: PatrolOf) -> Result:
        stops = self._patrol(param.patrolid).stops
        nodes = [{"preset": [self._named(one)], "staySeconds": seconds} for one, seconds in stops]
        return {"patrolsList": nodes}

    def _add_node(self, param: PatrolNodeAdd) -> None:
        self._check_preset(PresetOf(presetno=param.presetno))
        self._patrol(param.patrolid).stops.append((param.presetno, param.staySeconds))

    def _delete_node(self, param: PatrolNodeDelete) -> None:
        stops = self._patrol(param.patrolid).stops
        if param.presetindex >= len(stops):
            raise NoSuchResource(f"there is no node {param.presetindex}")
        del stops[param.presetindex]

    def _set_speed(self, param: PatrolSpeed) -> None:
        self._patrol(param.patrolid).speed = param.speed

    def _set_stay(self, param: PatrolStay) -> None:
        patrol = self._patrol(param.patrolid)
        patrol.stops = [(preset, param.staySeconds) for preset, _ in patrol.stops]

    def _start_patrol(self, param: PatrolOf) -> None:
        self._stop_patrols(param)
        self._patrol(param.patrolid).is_started = True

    def _stop_patrols(self, _param: Struct) -> None:
        for patrol in self._patrols.values():
            patrol.is_started = False

    def _set_preset(self, param: PresetSet) -> None:
        self._presets[param.presetno] = param.name

    def _check_preset(self, param: PresetOf) -> None:
        if param.presetno not in self._presets:
            raise NoSuchResource(f"there is no preset {param.presetno}")

    def _delete_preset(self, param: PresetOf) -> None:
        self._check_preset(param)
        del self._presets[param.presetno]

    def _list_presets(self, _param: Struct) -> Result:
        presets = [self._named(number) for number in self._presets]
        return {"presets_cnt": len(presets), "presets": presets}
