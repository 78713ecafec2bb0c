"""Define the command line: arguments, signals, exit codes.

A command's module is loaded only when it is called.
"""

from __future__ import annotations

import errno
import gc
import os
import resource
import sys
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from .._version import __version__
from ..errors import HarvestError, resource_fault
from ..model.invocation import command_line, install_line

COMMANDS = {
    "run": "download the spectra in the catalog that are not yet stored (the default command)",
    "plan": "show what a run would download and how long it would take; sends no requests",
    "status": "show progress of the current or last run, or of all harvests below data/",
    "failures": "list missing spectra with reasons and server messages",
    "quarantine": "list, show or delete response bodies that failed verification",
    "discover": "inspect a VO archive; write a profile and a catalog of its spectra",
    "report": "write an HTML report of one run",
    "verify": "re-verify all stored files; --fix quarantines damaged ones so that the next run downloads them again",
    "diff": "compare two runs, two directories, or disk and archive",
    "export": "write the harvest as one data set: Parquet, HDF5, a folder for Hugging Face, or HATS",
    "browse": "serve a local page to look at the spectra of a harvest, live while it runs, and to label them",
    "send": "send the table of spectra, or single spectra, to TOPCAT, Aladin and others by SAMP",
    "fluxcalib": "draw one spectrum under each FLUXCALIB setting, into a figure or in the terminal",
    "preview": "draw one stored (or downloaded) spectrum in the terminal or into a picture",
    "config": "show every setting with its value and where the value comes from",
    "doctor": "check Python, packages, disk, clock, terminal, network and the archive, with a fix for each problem",
    "demo": "run the demo archive on localhost",
}

CATALOG_SUFFIXES = (".csv", ".tsv", ".txt", ".ecsv", ".xml", ".vot", ".fits", ".parquet", ".xlsx", ".gz", ".xz")
UNWRITABLE = (errno.EPIPE, errno.EBADF, errno.EIO)  # standard output is gone: a closed pipe, file or terminal
OUTPUT_LOST = 141  # as of a program that SIGPIPE ended
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # standard output is a file that cannot grow


LEAST_GARBAGE = 10_000
"""New objects between two searches for garbage: after every 700, imports are searched for 40 of a start's 450 ms."""

MIN_OPEN_FILES = 32  # below it no event loop with a few connections, a ledger and a log fits
TOO_FEW_FILES = f"too few files may be open here: allow at least {MIN_OPEN_FILES} (ulimit -n)"

LEDGER_KEY = "harvester.ledger"
"""Where a command leaves the path of the ledger that it reads, in the context of click."""


class _Commands(click.Group):
    """Commands by name; options alone, or a catalog's file, belong to ``run``."""

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
            similar = [f" Did you mean {name}?" for name in get_close_matches(args[0], COMMANDS, 1)]
            ctx.fail(f"No such command: {args[0]}.{''.join(similar)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {"-h", "--help", "--version"}
        if (not args and not ctx.resilient_parsing) or (args and args[0].startswith("-") and args[0] not in own):
            args = ["run", *args]
        elif args and args[0] not in COMMANDS and _is_catalog(args[0]):
            args = ["run", "--catalog", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command.

        An internal error that a damaged ledger explains is one sentence about the ledger.
        """
        try:
            return super().invoke(ctx)
        except (HarvestError, click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            from ..ledger.damage import raise_if_damaged

            raise_if_damaged(ctx.meta.get(LEDGER_KEY), error)
            raise

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the names of commands, and the options of ``run``, whose name may be left out."""
        run = self.get_command(ctx, "run")
        assert run is not None
        options = run.shell_complete(ctx, incomplete) if incomplete.startswith("-") else []
        return super().shell_complete(ctx, incomplete) + options


def _is_catalog(argument: str) -> bool:
    """Return whether a first argument names a catalog's file rather than a command."""
    return argument.lower().endswith(CATALOG_SUFFIXES) or Path(argument).is_file()


@click.command(cls=_Commands, context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harvester")
def commands() -> None:
    """Store every spectrum of a Virtual Observatory archive on disk, verified and resumable.

    `harvester COMMAND --help` shows the options of a command. Without a command, `run` is meant.

    \b
    Examples:
      harvester --archive demo --concurrency 8
      harvester labels.csv
      harvester run --all --archive ondrejov
    """


def main() -> None:
    """Run the command line and exit with its exit code."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # no matrix here justifies numpy's one thread per core
    # pydantic would look into every installed package for plugins: 25 of 270 ms of `plan` with 230 packages
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(LEAST_GARBAGE)
    _replace_closed_streams()
    code = _fail(TOO_FEW_FILES, 6) if open_file_limit() < MIN_OPEN_FILES else _run()
    fault = discard_unwritten()
    sys.exit(_no_room(fault) if fault else code)


def _run() -> int:
    try:
        code = commands.main(prog_name="harvester", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        return _fail(usage_sentence(error), 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except HarvestError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", 130)
    except ModuleNotFoundError as error:
        return _fail(missing_package(error), 2)
    except Exception as error:  # noqa: BLE001 - the last resort: one sentence for the user, the traceback in a file
        if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
            discard_unwritten()
            return _no_room(error)
        if isinstance(error, OSError) and error.errno in UNWRITABLE and error.filename is None:
            return _fail(f"standard output cannot be written: {error.strerror}", OUTPUT_LOST)
        if fault := resource_fault(error):
            return _fail(str(fault), fault.exit_code)
        return _fail(f"internal error; please report it with {_keep_traceback()}", 1)


def usage_sentence(error: click.UsageError) -> str:
    """Return what is wrong with a command's arguments, and where its options are listed."""
    words = error.format_message().rstrip(".").removesuffix(" range")  # click: 'x' is not a valid integer range
    names = error.ctx.command_path.split()[1:] if error.ctx else []
    return f"{words}; see {command_line(*names, '--help')}"


def open_file_limit() -> int:
    """Return how many files this process may have open at most."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def _fail(sentence: str, code: int) -> int:
    with suppress(OSError):
        print(f"harvester: {sentence}", file=sys.stderr, flush=True)
    return code


def missing_package(error: ModuleNotFoundError) -> str:
    """Return one sentence about a package that this Python lacks."""
    package = (error.name or str(error)).partition(".")[0].replace("_", "-")
    return f"this Python ({sys.executable}) lacks the package {package}; install it: {install_line(package)}"


def _replace_closed_streams() -> None:
    """Give closed standard streams a descriptor, so that no other file gets their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDONLY)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def discard_unwritten() -> OSError | None:
    """Drop what a standard stream did not take.

    Return the error of standard output where it has no room. The interpreter would exit with 120 for it.
    A closed pipe is no error: its reader has seen enough.
    """
    no_room = None
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError as error:
            if number == 1 and error.errno in NO_ROOM:
                no_room = error
            descriptor = os.open(os.devnull, os.O_WRONLY)
            os.dup2(descriptor, number)
            os.close(descriptor)
    return no_room


def _no_room(error: OSError) -> int:
    from ..storage.errors import storage_fault

    fault = storage_fault(Path("standard output"), error)
    return _fail(str(fault), fault.exit_code)


def _keep_traceback() -> Path:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile("w", prefix="harvester-error-", suffix=".log", delete=False) as file:
        file.write(traceback.format_exc())
    return Path(file.name)
