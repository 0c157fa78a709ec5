"""The settings of `sitehub.toml` in effect, and their changes while the hub runs."""
