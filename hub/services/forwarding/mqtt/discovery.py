"""The documents by which Home Assistant finds a hub and its cameras (MQTT device discovery)."""

from __future__ import annotations

from typing import Any

import msgspec

from hub import __version__
from hub.services.forwarding.mqtt.site_view import SiteCamera
from hub.services.forwarding.mqtt.topics import Topics

_MAKER = "sitehub"
#: A state of Home Assistant has at most 255 characters; `none` makes it unknown.
_FACE_NAME = (
    "{{ none if value_json.get('erased') else (value_json.get('name') or 'Stranger')[:255] }}"
)
_FACE_TIME = "{{ none if value_json.get('erased') else value_json.occurred_at }}"
_FACE_FIELDS = ("seq", "uuid", "category", "age", "gender", "occurred_at")
_FACE_ATTRIBUTES = (
    "{{ {"
    + ", ".join(f"'{name}': value_json.get('{name}')" for name in _FACE_FIELDS)
    + "} | tojson }}"
)

#: There is one if somebody has given its file to the hub; it is installed on its page alone.
_UPDATE = (
    "{{ {'installed_version': value_json.version, "
    "'latest_version': value_json.update_version or value_json.version} | tojson }}"
)
_BYTES = {"device_class": "data_size", "unit_of_measurement": "B", "state_class": "measurement"}
_COUNT = {"state_class": "measurement"}


class Discovery:
    """Makes the documents for one target.

    `with_alarms` and others: what is off is left out, and removed where it was on before.
    """

    def __init__(
        self, topics: Topics, *, with_alarms: bool, with_pictures: bool, with_commands: bool
    ) -> None:
        self._topics = topics
        self._with_alarms = with_alarms
        self._with_pictures = with_pictures
        self._with_commands = with_commands

    def hub(self, name: str, url: str) -> bytes:
        """Return the document of the hub itself. `name`: of the site; `url`: of its page."""
        topics = self._topics
        status = self._entity("", "status", "binary_sensor", "Connection")
        status |= {
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": topics.status,
            "payload_on": "online",
            "payload_off": "offline",
        }
        device = {
            "identifiers": [topics.device_id("")],
            "name": name or "sitehub",
            "manufacturer": _MAKER,
            "model": "Hub",
            "sw_version": __version__,
            "configuration_url": url,
        }
        components = {"status": status, "alarm": self._alarm(""), **self._diagnostics()}
        if self._with_commands:
            components["acknowledge"] = self._button("", "acknowledge", "Acknowledge alarms")
        else:
            components["acknowledge"] = _removed("button")
        return self._document(device, components)

    def _diagnostics(self) -> dict[str, dict[str, Any]]:
        """Return the entities that show how the hub is."""
        shared = {
            **self._availability,
            "entity_category": "diagnostic",
            "state_topic": self._topics.state,
        }
        figures = {
            "version": ("Version", "version", {}),
            "disk": ("Free disk space", "disk_free", _BYTES),
            "cameras": ("Cameras offline", "cameras_offline", _COUNT),
            "refused": ("Cameras refused", "cameras_refused", _COUNT),
        }
        found: dict[str, dict[str, Any]] = {
            part: {
                **self._entity("", part, "sensor", name),
                **shared,
                **more,
                "value_template": f"{{{{ value_json.{field} }}}}",
            }
            for part, (name, field, more) in figures.items()
        }
        found["problem"] = {
            **self._entity("", "problem", "binary_sensor", "Problem"),
            **shared,
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.problems else 'OFF' }}",
            "json_attributes_topic": self._topics.state,
            "json_attributes_template": "{{ {'problems': value_json.problems} | tojson }}",
        }
        found["update"] = {
            **self._entity("", "update", "update", "Update"),
            **shared,
            "title": _MAKER,
            "value_template": _UPDATE,
        }
        return found

    def camera(self, camera: SiteCamera) -> bytes:
        """Return the document of a camera."""
        did = camera.did
        device = {
            "identifiers": [self._topics.device_id(did)],
            "name": camera.name,
            "serial_number": camera.sn,
            "sw_version": camera.software,
            "hw_version": camera.hardware,
            "via_device": self._topics.device_id(""),
        }
        components = {
            "online": self._online(did),
            "face": self._last_face(did),
            "seen": self._seen(did),
            "alarm": self._alarm(did),
            "picture": _removed("image"),
            "reboot": _removed("button"),
            "acknowledge": _removed("button"),
        }
        if self._with_pictures:
            components["picture"] = self._last_picture(did)
        if self._with_commands:
            reboot = self._button(did, "reboot", "Restart")
            components["reboot"] = {**reboot, "device_class": "restart"}
            components["acknowledge"] = self._button(did, "acknowledge", "Acknowledge alarms")
        return self._document({name: text for name, text in device.items() if text}, components)

    def _document(self, device: dict[str, Any], components: dict[str, dict[str, Any]]) -> bytes:
        return msgspec.json.encode(
            {
                "device": device,
                "origin": {"name": _MAKER, "sw_version": __version__},
                "cmps": components,
                "qos": 1,
            }
        )

    def _online(self, did: str) -> dict[str, Any]:
        return {
            **self._entity(did, "online", "binary_sensor", "Online"),
            **self._availability,
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": self._topics.online(did),
            "payload_on": "online",
            "payload_off": "offline",
        }

    def _last_face(self, did: str) -> dict[str, Any]:
        topic = self._topics.record(did, "face")
        return {
            **self._entity(did, "face", "sensor", "Last face"),
            **self._availability,
            "icon": "mdi:face-recognition",
            "state_topic": topic,
            "value_template": _FACE_NAME,
            "json_attributes_topic": topic,
            "json_attributes_template": _FACE_ATTRIBUTES,
        }

    def _seen(self, did: str) -> dict[str, Any]:
        return {
            **self._entity(did, "seen", "sensor", "Seen"),
            **self._availability,
            "device_class": "timestamp",
            "state_topic": self._topics.record(did, "face"),
            "value_template": _FACE_TIME,
        }

    def _last_picture(self, did: str) -> dict[str, Any]:
        return {
            **self._entity(did, "picture", "image", "Last face"),
            **self._availability,
            "content_type": "image/jpeg",
            "image_topic": self._topics.picture(did, "face"),
        }

    def _alarm(self, did: str) -> dict[str, Any]:
        if not self._with_alarms:
            return _removed("binary_sensor")
        return {
            **self._entity(did, "alarm", "binary_sensor", "Alarm"),
            **self._availability,
            "device_class": "problem",
            "state_topic": self._topics.alarm_state(did),
        }

    def _button(self, did: str, command: str, name: str) -> dict[str, Any]:
        return {
            **self._entity(did, command, "button", name),
            **self._availability,
            "entity_category": "config",
            "command_topic": self._topics.command(did),
            "payload_press": command,
        }

    @property
    def _availability(self) -> dict[str, str]:
        return {"availability_topic": self._topics.status}

    def _entity(self, did: str, part: str, platform: str, name: str) -> dict[str, Any]:
        id = f"{self._topics.device_id(did)}_{part}"
        return {
            "platform": platform,
            "name": name,
            "unique_id": id,
            "default_entity_id": f"{platform}.{id.replace('-', '_')}",
        }


def _removed(platform: str) -> dict[str, Any]:
    """Return what removes a part that an earlier document may have had."""
    return {"platform": platform}
