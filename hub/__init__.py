"""sitehub: the hub of one site. A reader finds the way from `hub.app`."""

__version__ = "0.1.0"
