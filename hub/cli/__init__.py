"""The command line: one module per group of commands.

A module is imported when one of its commands is used, and slow modules (trio, the store, the web)
are imported inside the commands: `sitehub version` is fast, and a running hub contains no other
commands.
"""

from __future__ import annotations

from importlib import import_module

import click

#: The commands, and the modules of this package in which they have the same names.
_MODULES = {
    "alarm": "alarm",
    "apikey": "apikey",
    "audit": "audit",
    "backup": "backup",
    "central": "central",
    "device": "device.commands",
    "doctor": "doctor",
    "erase": "erase",
    "firmware": "firmware.commands",
    "group": "group",
    "hold": "hold",
    "logs": "logs",
    "person": "person.commands",
    "plate-list": "plate_list",
    "reload": "reload",
    "restore": "backup",
    "retention": "retention",
    "run": "run.command",
    "selftest": "update",
    "service": "service",
    "simulate": "simulate.command",
    "site-key": "site_key",
    "status": "status",
    "target": "target",
    "update": "update",
    "user": "user",
    "version": "version",
}


class CommandLine(click.Group):
    """A group that imports a command when it is used, and all of them for the help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"hub.cli.{_MODULES[cmd_name]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command


@click.group(
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def sitehub() -> None:
    """The hub of one site: its cameras, their records and its people, on one PC.

    Start with "sitehub run", or try it first with "sitehub run --demo". Most commands
    work whether the hub is running or not; those for waiting cameras need a running hub.
    """
