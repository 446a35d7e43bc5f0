"""`python -m rekal.cli` does what `rekal` does."""

from rekal.cli import main

main()
