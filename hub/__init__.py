"""sitehub: the hub of one site. A reader finds the way from `hub.app`."""

from importlib.metadata import version

__version__ = version("sitehub")
