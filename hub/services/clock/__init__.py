"""The clock of the host: how far it is believed, and when the days of the log really were."""
