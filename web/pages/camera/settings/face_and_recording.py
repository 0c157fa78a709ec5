"""The forms of the settings for faces and people (1.5), and for recording (1.6)."""

from __future__ import annotations

from hub.wire.commands.dialect import SET_FACE, SET_RECORDING
from web.language import N_
from web.pages.camera.settings.forms import SettingForm, SettingGroup, SettingLabel

_LATER = N_(
    "Only cameras with the protocol of 2025 or later have these settings. They are not sent to "
    "the others."
)

FACE = SettingForm(
    "face",
    N_("Faces and people"),
    (
        SettingGroup(
            N_("Detection"),
            (
                SettingLabel("enable", N_("Detect faces and people")),
                SettingLabel(
                    "threshold",
                    N_("Detection threshold"),
                    N_("Lower values detect more but cause more false detections."),
                ),
                SettingLabel("mini_face", N_("Minimum face size"), N_("In pixels.")),
                SettingLabel("mini_human", N_("Minimum person size"), N_("In pixels.")),
                SettingLabel("quality_face", N_("Minimum face quality")),
                SettingLabel("quality_human", N_("Minimum person quality")),
            ),
        ),
        SettingGroup(
            N_("Recognition"),
            (
                SettingLabel(
                    "reg_threshold",
                    N_("Recognition threshold"),
                    N_("How similar a face must be to count as a known person."),
                ),
                SettingLabel("server_enable", N_("Use a face server")),
            ),
        ),
        SettingGroup(
            N_("Shown in the camera's video"),
            (
                SettingLabel("show_face", N_("Boxes around faces")),
                SettingLabel("show_human", N_("Boxes around people")),
            ),
        ),
        SettingGroup(
            N_("Sent to the hub"),
            (
                SettingLabel("push_face", N_("Face picture")),
                SettingLabel("push_bg", N_("Scene picture")),
                SettingLabel("push_stranger", N_("Include strangers")),
            ),
        ),
        SettingGroup(
            N_("Voice prompts"),
            (
                SettingLabel("play_audio", N_("Play voice prompts")),
                SettingLabel("play_audio_stranger", N_("For strangers")),
                SettingLabel("play_audio_white", N_("For the whitelist")),
                SettingLabel("play_audio_black", N_("For the blacklist")),
                SettingLabel("play_audio_vip", N_("For VIPs")),
                SettingLabel("play_audio_friend", N_("For visitors")),
            ),
        ),
        SettingGroup(
            N_("Alarm output"),
            (
                SettingLabel(
                    "alarm_out.interval",
                    N_("Minimum time between alarms"),
                    N_("The output is not triggered again during this time."),
                ),
                SettingLabel("alarm_out.alarm_push", N_("Send alarms to the hub")),
            ),
        ),
        SettingGroup(
            N_("More uploads"),
            (
                SettingLabel("push_white", N_("Include the whitelist")),
                SettingLabel("push_black", N_("Include the blacklist")),
                SettingLabel("push_vip", N_("Include VIPs")),
                SettingLabel("push_friend", N_("Include visitors")),
                SettingLabel("push_body", N_("Body picture")),
                SettingLabel("push_attr", N_("What people wear and carry")),
            ),
            note=_LATER,
        ),
        SettingGroup(
            N_("Trigger alarms for"),
            (
                SettingLabel("alarm_stranger", N_("Alarm for strangers")),
                SettingLabel("alarm_white", N_("Alarm for the whitelist")),
                SettingLabel("alarm_black", N_("Alarm for the blacklist")),
                SettingLabel("alarm_vip", N_("Alarm for VIPs")),
                SettingLabel("alarm_friend", N_("Alarm for visitors")),
                SettingLabel(
                    "app_push",
                    N_("Push notifications in the manufacturer's app"),
                    choices=(N_("Off"), N_("Basic"), N_("Enhanced")),
                ),
            ),
            note=_LATER,
        ),
        SettingGroup(
            N_("Relay"),
            (
                SettingLabel("relay", N_("Trigger the relay")),
                SettingLabel("relay_interval", N_("Minimum time between signals")),
                SettingLabel("relay_stranger", N_("Relay for strangers")),
                SettingLabel("relay_white", N_("Relay for the whitelist")),
                SettingLabel("relay_black", N_("Relay for the blacklist")),
                SettingLabel("relay_vip", N_("Relay for VIPs")),
                SettingLabel("relay_friend", N_("Relay for visitors")),
            ),
            note=_LATER,
        ),
        SettingGroup(
            N_("Kept on the camera's card"),
            (
                SettingLabel("record_stranger", N_("Keep captures of strangers")),
                SettingLabel("record_white", N_("Keep captures of the whitelist")),
                SettingLabel("record_black", N_("Keep captures of the blacklist")),
                SettingLabel("record_vip", N_("Keep captures of VIPs")),
                SettingLabel("record_friend", N_("Keep captures of visitors")),
                SettingLabel("record_face", N_("Keep the face picture")),
                SettingLabel("record_body", N_("Keep the body picture")),
                SettingLabel("record_bg", N_("Keep the scene picture")),
            ),
            note=_LATER,
        ),
    ),
    SET_FACE,
)

RECORDING = SettingForm(
    "recording",
    N_("Recording"),
    (
        SettingGroup(
            N_("When to record"),
            (
                SettingLabel("normal_record", N_("Manual recording")),
                SettingLabel("alarm_record", N_("On alarm")),
                SettingLabel("disconnect_record", N_("While the network is down")),
            ),
        ),
        SettingGroup(
            N_("Pre-recording"),
            (
                SettingLabel("pre_record.enable", N_("Record before an alarm")),
                SettingLabel("pre_record.duration", N_("Pre-recording length")),
            ),
        ),
        SettingGroup(
            N_("Files"),
            (
                SettingLabel("file_len", N_("File length")),
                SettingLabel(
                    "strategy",
                    N_("When the storage card is full"),
                    choices=(N_("Overwrite the oldest files"), N_("Stop recording")),
                ),
                SettingLabel("audio_enable", N_("Record audio")),
                SettingLabel("face_server_enable", N_("Use a face server for recordings")),
            ),
        ),
    ),
    SET_RECORDING,
)
