"""Run ``python -m harvester`` and the script ``harvester``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; report a missing package in one sentence."""
    try:
        from .cli import main as run_command_line
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "harvester":
            raise
        print(
            f"harvester: this Python ({sys.executable}) lacks the package {error.name}; "
            f"install it: {sys.executable} -m pip install {error.name}",
            file=sys.stderr,
        )
        sys.exit(2)
    run_command_line()


if __name__ == "__main__":
    main()
