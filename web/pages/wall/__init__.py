"""Wall mode: the wall alone on a screen, for months."""
