"""Tells a broker of MQTT 5 what happens now, and Home Assistant which cameras there are."""
