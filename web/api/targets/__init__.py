"""Calls about targets: other systems that get the site's records, alarms and gaps."""
