"""One module per command: parse, build a config, make one call."""
