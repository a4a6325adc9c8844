"""`python -m stylegan_cli` is `influ`."""

from stylegan_cli.cli import main

main()
