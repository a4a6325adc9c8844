"""The page that learns and paints in a browser, served to this machine alone."""
