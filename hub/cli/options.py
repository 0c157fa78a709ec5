"""Options that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from hub.errors import StartFault

F = TypeVar("F", bound=Callable[..., Any])


def data_option(*, expose_value: bool = True, makes_hub: bool = False) -> Callable[[F], F]:
    """`--data`: every command accepts it, so that scripts can always pass it.

    A command that uses it is carried out by the newer program of an update, if there is one. It is
    refused where there is no hub, unless `makes_hub`.
    """
    option = click.option(
        "--data",
        "data_dir",
        envvar="SITEHUB_DATA",
        type=click.Path(path_type=Path, readable=False),
        callback=_find_directory if expose_value else None,
        # Before any option that reads a file, or standard input.
        is_eager=True,
        expose_value=expose_value,
        metavar="DIR",
        help="The data directory of the hub [default: the service's for an administrator, if there "
        "is one, else the user's; also SITEHUB_DATA].",
    )

    def add(command: F) -> F:
        @wraps(command)
        def refuse_or_run(data_dir: Path, **parameters: Any) -> Any:
            # A group that shows something itself leaves it to its commands, which have their own.
            if click.get_current_context().invoked_subcommand is None:
                _refuse_without_hub(data_dir)
            return command(data_dir=data_dir, **parameters)

        is_checked = expose_value and not makes_hub
        return option(cast(F, refuse_or_run) if is_checked else command)

    return add


def _refuse_without_hub(data_dir: Path) -> None:
    from hub.process import data_directory

    data_directory.refuse_without_hub(data_dir)


def _find_directory(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path:
    from hub.process import data_directory
    from hub.update import FOLDER, STARTED_AS

    directory = value or data_directory.default_path()
    if STARTED_AS in os.environ or os.path.exists(directory / FOLDER):
        from hub.process.launcher import hand_over

        hand_over(directory)
    return directory


def key_option(help: str) -> Callable[[F], F]:
    """`--key FILE`, read as text."""

    def read(context: click.Context, parameter: click.Parameter, path: Path | None) -> str | None:
        # --data is eager, so it is known.
        return None if path is None else read_pem(context.params["data_dir"], path)

    return click.option(
        "--key",
        "key",
        type=click.Path(path_type=Path),
        callback=read,
        metavar="FILE",
        help=help,
    )


def read_pem(data_dir: Path, path: Path) -> str:
    """Return a key or certificate that the person named, as PEM text. Raises StartFault."""
    from hub.cli.outside_files import read_source

    try:
        return read_source(data_dir, path).decode("ascii")
    except UnicodeDecodeError:
        raise StartFault(f"{path} is not PEM text: it begins with -----BEGIN") from None


def password_option() -> Callable[[F], F]:
    """`--password-stdin`; without it, the terminal prompts for the password."""

    def read(context: click.Context, parameter: click.Parameter, from_stdin: bool) -> str:
        if not from_stdin:  # nobody should type one for a hub that is not there
            _refuse_without_hub(context.params["data_dir"])
        return read_password(from_stdin)

    return click.option(
        "--password-stdin",
        "password",
        is_flag=True,
        callback=read,
        help="Read the password from standard input instead of prompting for it.",
    )


def read_password(from_stdin: bool) -> str:
    """Return a password from standard input or the terminal. Raises UsageError without either."""
    if not from_stdin and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask for the password: use --password-stdin")
    return read_secret("Password", is_new=True)


def read_secret(prompt: str, *, is_new: bool) -> str:
    """Return a line of standard input; a terminal asks for it without showing what is typed.

    `is_new`: it asks twice.
    """
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    secret: str = click.prompt(prompt, hide_input=True, confirmation_prompt=is_new, err=True)
    return secret
