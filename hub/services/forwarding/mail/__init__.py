"""Mails that tell people of alarms, through a mail server (SMTP with TLS)."""
