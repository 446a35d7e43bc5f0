"""`python -m rekalman.cli` does what `rekalman` does."""

from rekalman.cli import main

main()
