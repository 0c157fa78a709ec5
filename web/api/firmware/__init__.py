"""Firmware: files, releases, campaigns and downloads."""
