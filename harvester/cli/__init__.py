"""The command line: arguments, signals, exit codes. Each command is a module, loaded only when it is asked for."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from .._version import __version__
from ..errors import HarvestError

COMMANDS = {
    "run": "fetch what the catalog lists and the disk lacks (what you get without a command)",
    "plan": "what a run would fetch, and how long it takes; touches nothing, asks nothing",
    "status": "how a running, or the last, harvest stands; from any terminal",
    "failures": "what is not there and why, in the server's own words",
    "discover": "what any VO archive offers, as a profile for --archive, and the list of all that it has",
    "report": "one run as one HTML page: what is there, what is not and why, and the spectra to look at",
    "verify": "prove every file on disk again; --fix makes the next run heal what is damaged",
    "diff": "what was added, is gone, or has changed: between runs, directories, the disk and the archive",
    "export": "the harvest as one data set, Parquet or HDF5, joined with the catalog's columns",
    "fluxcalib": "one spectrum under each FLUXCALIB setting, in one figure or in the terminal",
    "preview": "one spectrum of the output directory (or of the archive) in the terminal, or as a picture",
    "demo": "serve the embedded archive on loopback until interrupted",
}


class _Commands(click.Group):
    """Commands by name; arguments that name none belong to ``run``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            from difflib import get_close_matches

            near = [f" Did you mean {name}?" for name in get_close_matches(args[0], COMMANDS, 1)]
            ctx.fail(f"No such command: {args[0]}.{''.join(near)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"--help", "--version"}
        if (not args and not ctx.resilient_parsing) or (args and args[0].startswith("-") and args[0] not in own):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands, and the options of ``run``, whose name may be left out."""
        run = self.get_command(ctx, "run")
        assert run is not None
        options = run.shell_complete(ctx, incomplete) if incomplete.startswith("-") else []
        return super().shell_complete(ctx, incomplete) + options


@click.command(cls=_Commands, context_settings={"max_content_width": 110})
@click.version_option(__version__, prog_name="harvester")
def commands() -> None:
    """Every spectrum of a Virtual Observatory archive on your own disk: verified, resumable, polite.

    `python -m harvester --concurrency 8` is `python -m harvester run --concurrency 8`; `harvester COMMAND --help` tells
    what each command takes. See it at work: `python -m harvester --archive demo --concurrency 8`.
    """


def main() -> None:
    """Run the command line and leave with the exit code that the README's table gives it."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no matrix here is worth numpy's thread a core
    try:
        code = commands.main(prog_name="harvester", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = 2
    except HarvestError as error:
        print(f"harvester: {error}", file=sys.stderr)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("harvester: interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # whoever read our output has gone; nobody is left to be told
        sys.stderr.close()
        code = 141
    except Exception:  # noqa: BLE001 - the last resort: one sentence for the user, the traceback in a file
        print(f"harvester: a bug of ours; please report it with {_keep_traceback()}", file=sys.stderr)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _keep_traceback() -> Path:
    with tempfile.NamedTemporaryFile("w", prefix="harvester-bug-", suffix=".log", delete=False) as file:
        file.write(traceback.format_exc())
    return Path(file.name)
