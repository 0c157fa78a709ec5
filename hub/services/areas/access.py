"""Who may use the hub: users, their sessions, and the keys of programs."""

from __future__ import annotations

from dataclasses import dataclass

from hub.net.connection_slots import KnownAddresses
from hub.services.access.api_keys import ApiKeys
from hub.services.access.passwords import Passwords
from hub.services.access.screens import Screens
from hub.services.access.second_factor import SecondFactors
from hub.services.access.sessions import Sessions
from hub.services.access.setup_links import SetupLinks
from hub.services.access.sign_in import SignIn
from hub.services.access.users import Users
from hub.services.areas.cameras import Cameras
from hub.services.core import Core


@dataclass(frozen=True, kw_only=True)
class Access:
    """The services of this area."""

    users: Users
    sessions: Sessions
    second_factors: SecondFactors
    setup_links: SetupLinks
    #: Screens on walls, which show without a person who signs in.
    screens: Screens
    api_keys: ApiKeys
    #: Whoever proves who it is at an address, notes the address here.
    known_addresses: KnownAddresses


def build_access(core: Core, cameras: Cameras) -> Access:
    """Build this area."""
    passwords = Passwords(core.outside.password_cost)
    factors = SecondFactors(core)
    sign_in = SignIn(core, passwords, factors)
    sessions = Sessions(core, sign_in, factors)
    users = Users(core, passwords, sign_in, sessions)
    return Access(
        users=users,
        sessions=sessions,
        second_factors=factors,
        setup_links=SetupLinks(core, passwords, users, sessions),
        screens=Screens(core, users, sessions),
        api_keys=ApiKeys(core),
        known_addresses=KnownAddresses([*sessions.addresses(), *cameras.devices.addresses()]),
    )
