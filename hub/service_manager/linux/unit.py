"""The systemd unit of the hub: its restart policy and its restrictions."""

from __future__ import annotations

from pathlib import PurePosixPath

from hub.service_manager import NAME, UNPACKED

DATA = PurePosixPath("/var/lib") / NAME


def unit_text(executable: PurePosixPath) -> str:
    """Return the unit for the executable, which may be one file or in a directory."""
    return _UNIT.format(executable=executable, name=NAME, data=DATA, unpacked=UNPACKED)


# NotifyAccess, KillMode: a one-file executable is two processes. The inner one notifies; the outer
# one passes signals on, and a second SIGTERM would make the hub stop without waiting.
# TimeoutStopSec: the hub needs up to 10 s.
# RestrictAddressFamilies: the machine's addresses are read over netlink.
# ProtectSystem: not "strict", because the folder for backups may be on any disk.
# 86: the hub ends so to be started again with an update.
# SystemCallFilter: @resources stays allowed, because the hub raises its limit of open files.
_UNIT = """\
[Unit]
Description=sitehub, the hub of this site's cameras
After=network.target
# With a port in use or a full disk, try again for as long as it takes.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=all
ExecStart={executable} run
ExecReload={executable} reload
Environment=SITEHUB_DATA={data} TMPDIR={data}/{unpacked}
User={name}
Group={name}
StateDirectory={name} {name}/{unpacked}
StateDirectoryMode=0700
UMask=0077
KillMode=mixed
Restart=on-failure
RestartPreventExitStatus=2
RestartForceExitStatus=86
SuccessExitStatus=86
RestartSec=5
TimeoutStartSec=300
TimeoutStopSec=30
WatchdogSec=60

CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
