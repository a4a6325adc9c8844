"""The page that learns styles and applies them in a browser, served to this machine alone."""
