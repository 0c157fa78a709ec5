"""Texts for releases and campaigns, in the language of the request."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from hub.errors import (
    AlreadyExists,
    BadParameter,
    CannotStoreNow,
    HubError,
    NoSuchResource,
    TooLarge,
    TooManyRequests,
)
from hub.services.firmware.campaign_views import Campaign, CampaignDevice, CampaignState
from hub.services.firmware.release_validation import (
    MAX_COMPONENTS,
    MAX_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
)
from hub.services.firmware.releases import MAX_RELEASES, MAX_TOTAL_BYTES
from hub.store.firmware_files import MAX_FILE_BYTES
from hub.store.tables.campaigns import TargetState
from hub.store.tables.firmware import Release
from hub.wire.coercion import MAX_NUMBER
from hub.wire.uploads.firmware import Versions, is_older
from web import language
from web.http.bodies import TooSlow
from web.language import N_, gettext, ngettext
from web.pages.labels import reason_text

#: 2.3: the kind of a component, by its `type`.
TYPES = {
    1: N_("Description file"),
    2: N_("Firmware"),
    3: N_("App"),
    4: N_("Model file"),
    5: N_("License"),
}

#: By wire name.
VERSIONS = {
    "fwVer": N_("Firmware"),
    "swVer": N_("Software"),
    "osVer": N_("Operating system"),
    "hwVer": N_("Hardware"),
}

CAMPAIGN_STATES: dict[CampaignState, str] = {
    "first": N_("Updating the first camera"),
    "rest": N_("Updating the others"),
    "paused": N_("Paused"),
    "stopped": N_("Stopped"),
    "done": N_("Done"),
}

DEVICE_STATES: dict[TargetState, str] = {
    "waiting": N_("Waiting"),
    "too_old": N_("Version too old"),
    "offered": N_("Offered"),
    "downloading": N_("Downloading"),
    "downloaded": N_("Downloaded"),
    "done": N_("Done"),
}

#: Style classes of states (`state-…` in the stylesheet).
CAMPAIGN_LOOKS: dict[CampaignState, str] = {
    "first": "waiting",
    "rest": "waiting",
    "paused": "disabled",
    "stopped": "offline",
    "done": "online",
}
DEVICE_LOOKS: dict[TargetState, str] = {
    "waiting": "disabled",
    "too_old": "offline",
    "offered": "waiting",
    "downloading": "waiting",
    "downloaded": "waiting",
    "done": "online",
}

_MB = 1024 * 1024


class NamedVersion(Struct, frozen=True):
    """One of the four versions, by its name on the wire."""

    name: str
    label: str
    value: str


def versions(reported: Versions) -> list[NamedVersion]:
    """The versions that are given."""
    return [NamedVersion(name, gettext(VERSIONS[name]), value) for name, value in reported.given()]


def versions_line(reported: Versions) -> str:
    return " · ".join(f"{one.label} {one.value}" for one in versions(reported))


def size_text(size: int) -> str:
    if size >= _MB:
        return f"{size / _MB:.1f} MB"
    return f"{size / 1024:.1f} KB" if size >= 1024 else f"{size} B"


def campaign_sentence(campaign: Campaign) -> str:
    """What a campaign is doing, and what comes next."""
    if campaign.state == "first":
        first = next((one.name or one.did for one in campaign.devices if one.is_next), "")
        if campaign.count == 1:
            return gettext("%(camera)s is being updated.") % {"camera": first}
        return gettext("%(camera)s goes first. The others follow once it runs the new version.") % {
            "camera": first
        }
    return gettext(_CAMPAIGN_SENTENCES[campaign.state])


_CAMPAIGN_SENTENCES = {
    "rest": N_("The first camera is updated. The others follow when they check for the update."),
    "paused": N_(
        "No further cameras are offered the update until you resume. Those already offered it"
        " may still download it."
    ),
    "stopped": N_(
        "The update is no longer offered or downloaded. Cameras that already have it keep it."
    ),
    "done": N_("All cameras in this campaign are updated."),
}


def device_sentence(device: CampaignDevice, campaign: Campaign, *, is_offline: bool) -> str:
    """Why a device is in its state; empty if the state needs no explanation."""
    if device.state == "too_old":
        return too_old_sentence(device.reported, campaign.release)
    if device.state == "done":
        return ""
    if campaign.has_ended:
        return gettext("It was not updated.") if device.state == "waiting" else ""
    return _describe_wait(device, campaign, is_offline=is_offline)


def _describe_wait(device: CampaignDevice, campaign: Campaign, *, is_offline: bool) -> str:
    """What a device is waiting for; obstacles of the campaign come before those of the camera."""
    if campaign.state == "paused" and device.state == "waiting":
        return gettext("The campaign is paused.")
    if campaign.state == "first" and not device.is_next and device.state == "waiting":
        return gettext("It is waiting for the first camera.")
    if is_offline:
        return gettext("The camera is not connected.")
    if device.state == "downloaded":
        return _describe_awaited(campaign.release)
    text = _DEVICE_SENTENCES.get(device.state)
    return gettext(text) if text else ""


def _describe_awaited(release: Release) -> str:
    """The versions a device must report to be done, so that a wrong one is noticed."""
    awaited = versions_line(release.reports)
    if not awaited:
        return gettext("All files are downloaded. It is done once it reports its versions again.")
    return gettext("All files are downloaded. It is done once it reports %(versions)s.") % {
        "versions": awaited
    }


_DEVICE_SENTENCES = {
    "waiting": N_("The update is offered when the camera next checks for one."),
    "offered": N_("It was offered the update but has not started downloading."),
}


def too_old_sentence(reported: Versions, release: Release) -> str:
    """Which versions of a device are below the minimum of a release; empty if none."""
    return " ".join(
        gettext("%(name)s %(version)s is too old: at least %(least)s is required.")
        % {"name": gettext(VERSIONS[name]), "version": version, "least": least}
        for name, version, least in _versions_below(reported, release.least)
    )


def _versions_below(reported: Versions, least: Versions) -> Iterator[tuple[str, str, str]]:
    known = dict(reported.given())
    for name, wanted in least.given():
        if name in known and is_older(known[name], wanted):
            yield name, known[name], wanted


def percent(device: CampaignDevice, release: Release) -> int:
    """How much of the release a device has downloaded."""
    return device.received * 100 // release.size if release.size else 0


def moment(ms: int | None) -> str:
    if ms is None:
        return ""
    zone = language.zone()
    return f"{language.current().day(ms, zone)} {language.current().time(ms, zone)}"


def describe_form_error(error: HubError) -> str:
    """What is wrong with a new release, or why its files were not accepted."""
    if isinstance(error, BadParameter) and (text := _describe_wrong_field(error)):
        return text
    if isinstance(error, CannotStoreNow):
        text = gettext("The hub cannot save it at the moment: %(reason)s.")
        return text % {"reason": reason_text(error.said)}
    for kind, text in _FORM_ERRORS:
        if isinstance(error, kind):
            return gettext(text)
    return error.message


_FORM_ERRORS: tuple[tuple[type[HubError], str], ...] = (
    (
        TooManyRequests,
        N_("The hub is receiving other files right now. Wait a minute, then send it again."),
    ),
    (NoSuchResource, N_("A file is no longer on the hub. Choose it again.")),
    (TooSlow, N_("The upload was too slow, and some files are missing. Send those again.")),
    (TooLarge, N_("The upload is larger than the hub accepts here.")),
    (BadParameter, N_("The form could not be read. Reload the page, then send it again.")),
)


def _describe_wrong_field(error: BadParameter) -> str:
    name, _, rest = error.field.partition(".")
    if name == "components" and rest:
        return _describe_wrong_component(*rest.split("."))
    if name in ("reports", "least"):
        return gettext("%(name)s: enter numbers separated by dots, such as V1.2.3.") % {
            "name": gettext(VERSIONS.get(rest, rest))
        }
    wrong = {
        "ver_code": gettext("The version code must be a whole number from 0 to %(most)s.")
        % {"most": MAX_NUMBER},
        "ver_name": gettext(
            "The version name must have 1 to %(most)s characters and no spaces at either end."
        )
        % {"most": MAX_NAME_LENGTH},
        "description": gettext("The release notes are longer than %(most)s characters.")
        % {"most": MAX_DESCRIPTION_LENGTH},
        "release_date": gettext("This is not a valid date."),
        "components": gettext("Choose 1 to %(most)s files.") % {"most": MAX_COMPONENTS},
        "file": _describe_wrong_file(error),
        "files": gettext(
            "All firmware together can take up at most %(most)s GB. Remove a release first."
        )
        % {"most": MAX_TOTAL_BYTES // 1024**3},
        "disk": gettext(
            "There is not enough disk space beyond what is reserved for records. Remove a"
            " release or free up some space, then send it again."
        ),
        "releases": gettext(
            "There are already %(most)s releases, which is the limit. Remove one first."
        )
        % {"most": MAX_RELEASES},
    }
    return wrong.get(name, "")


def _describe_wrong_file(error: BadParameter) -> str:
    if isinstance(error, TooLarge):
        return file_expected()
    return gettext("The file is empty.")


def file_expected() -> str:
    """The size limit of a file, as a hint and as an error."""
    return gettext("At most %(most)s MB per file.") % {"most": MAX_FILE_BYTES // _MB}


def _describe_wrong_component(place: str, field: str) -> str:
    number = {"n": int(place) + 1}
    if field == "name":
        return gettext("File %(n)s: the name must have 1 to 64 characters.") % number
    return gettext("File %(n)s is no longer on the hub. Choose it again.") % number


def describe_start_error(error: HubError) -> str:
    """Why a campaign did not start."""
    if isinstance(error, AlreadyExists):
        return gettext(
            "One of these cameras is now in another campaign. It is marked below. Select again."
        )
    if isinstance(error, NoSuchResource):
        return gettext("One of these cameras has been removed in the meantime. Select again.")
    if isinstance(error, BadParameter) and error.field == "dids":
        return gettext("Select at least one camera.")
    return gettext("Too many campaigns are running. Stop one first.")


def in_use_sentence(campaigns: int) -> str:
    return ngettext(
        "%(n)s campaign is installing this release. Stop it first, then remove the release.",
        "%(n)s campaigns are installing this release. Stop them first, then remove the release.",
        campaigns,
    ) % {"n": campaigns}
