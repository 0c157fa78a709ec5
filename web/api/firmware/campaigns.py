"""/firmware/campaigns: rolling a release out to devices."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from hub.services import Services
from hub.services.firmware.campaigns import MAX_DEVICES
from web.api.answers import Versions
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing, Seq
from web.api.firmware import answers
from web.api.firmware.fields import campaign_fields, summary_fields
from web.api.firmware.files import TAG
from web.api.routes import Call, Routes, View, id_of

_CAMPAIGNS = f"{PREFIX}/firmware/campaigns"


class NewCampaignBody(Struct, frozen=True, forbid_unknown_fields=True):
    release: Seq
    dids: Annotated[
        list[Did],
        Meta(description=f"1 to {MAX_DEVICES}; the first that does not have it yet goes first"),
    ]


_SUMMARY_EXAMPLE = answers.CampaignSummary(
    id=7,
    release=3,
    ver_name="v2.3.0",
    state="first",
    started_at="2026-11-25T08:05:00.000Z",
    count=1,
    done=0,
)
_CAMPAIGN_EXAMPLE = answers.Campaign(
    **msgspec.structs.asdict(_SUMMARY_EXAMPLE),
    size=31_457_280,
    devices=[
        answers.CampaignDevice(
            did="12",
            name="Gate",
            state="downloading",
            is_next=True,
            versions=Versions(swVer="V2.2.1", hwVer="V1.0"),
            received=9_437_184,
            offered_at="2026-11-25T08:06:10.000Z",
            downloaded_at=None,
            done_at=None,
        )
    ],
)

LIST_CAMPAIGNS = Endpoint(
    method="GET",
    path=_CAMPAIGNS,
    tag=TAG,
    summary="Campaigns",
    description="Newest first, including those that have ended.",
    answer_example=answers.CampaignList([_SUMMARY_EXAMPLE]),
    role="viewer",
)
GET_CAMPAIGN = Endpoint(
    method="GET",
    path=f"{_CAMPAIGNS}/{{campaign}}",
    tag=TAG,
    summary="A campaign, with the progress of each device",
    answer_example=_CAMPAIGN_EXAMPLE,
    role="viewer",
)
START_CAMPAIGN = Endpoint(
    method="POST",
    path=_CAMPAIGNS,
    tag=TAG,
    summary="Roll a release out to devices",
    description=(
        "One device goes first, alone; once it reports the new version, the others follow. Devices "
        "ask for it by themselves (2.3). A device in another running campaign is refused (409)."
    ),
    body_example=NewCampaignBody(3, ["12"]),
    answer_example=_CAMPAIGN_EXAMPLE,
)

Step = Literal["pause", "resume", "stop"]
_STEPS: dict[Step, tuple[str, str]] = {
    "pause": (
        "Pause a campaign",
        "No further device is offered the release; devices that were may still download it.",
    ),
    "resume": ("Resume a paused campaign", ""),
    "stop": ("Stop a campaign permanently", "Nothing more is offered or downloaded."),
}
CHANGE_CAMPAIGN: dict[Step, Endpoint] = {
    step: Endpoint(
        method="POST",
        path=f"{_CAMPAIGNS}/{{campaign}}/{step}",
        tag=TAG,
        summary=summary,
        description=description,
        answer_example=_CAMPAIGN_EXAMPLE,
    )
    for step, (summary, description) in _STEPS.items()
}


def add(routes: Routes, services: Services) -> None:
    campaigns, audit = services.firmware.campaigns, services.core.audit

    async def list_campaigns(call: Call[Nothing, Nothing]) -> answers.CampaignList:
        return answers.CampaignList([summary_fields(one) for one in campaigns.outlines()])

    async def get_campaign(call: Call[Nothing, Nothing]) -> answers.Campaign:
        return campaign_fields(campaigns.campaign(id_of(call, "campaign")))

    async def start_campaign(call: Call[Nothing, NewCampaignBody]) -> answers.Campaign:
        started = await campaigns.start(call.body.release, call.body.dids)
        await audit.add(call.caller.actor, "campaign.start", str(started.id))
        return campaign_fields(started)

    def changing(step: Step) -> View:
        async def change(call: Call[Nothing, Nothing]) -> answers.Campaign:
            steps = {"pause": campaigns.pause, "resume": campaigns.resume, "stop": campaigns.stop}
            changed = await steps[step](id_of(call, "campaign"))
            await audit.add(call.caller.actor, f"campaign.{step}", str(changed.id))
            return campaign_fields(changed)

        return change

    routes.add(LIST_CAMPAIGNS, list_campaigns)
    routes.add(GET_CAMPAIGN, get_campaign)
    routes.add(START_CAMPAIGN, start_campaign)
    for step, endpoint in CHANGE_CAMPAIGN.items():
        routes.add(endpoint, changing(step))
