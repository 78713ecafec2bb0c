"""``python -m harvester``."""

from .cli import main

main()
