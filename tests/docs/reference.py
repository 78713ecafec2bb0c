"""Write ``docs/reference/`` from the code: ``python -m tests.docs.reference``.

Each page is a function that returns Markdown. What it says is read from where the program reads it: settings from their
descriptions, fields from the docstrings behind them, failure kinds and exit codes from their tables, commands from
their options, the Python API from its docstrings. ``tests/docs/test_reference.py`` fails when a page is not what this
writes.
"""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click

from harvester import events as ev
from harvester.archive.profile import ArchiveProfile
from harvester.cli import COMMANDS, commands
from harvester.config.settings import TABLES, Settings, setting_names
from harvester.errors import HarvestError
from harvester.events.serialize import IN_LEDGER
from harvester.model.exit_codes import EXIT_CODE_PRIORITY, EXIT_CODES
from harvester.model.failures import FailureKind
from harvester.storage.run_folder import STATE, RunFolder, StateFolder
from tests.docs.api_reference import api_page
from tests.docs.formats import formats_page
from tests.docs.markdown import attribute_docs, code, markdown, sentence, spelled, summary, table
from tests.docs.messages import messages_page
from tests.docs.pages import DOCS

REFERENCE = DOCS / "reference"
NOTICE = "<!-- Generated from the code by `python -m tests.docs.reference`. Do not edit this page. -->"


def settings_page() -> str:
    """Return the table of all settings."""
    run = {option.name: option.opts[0] for option in options("run")}
    rows = [
        (
            code(name),
            code(run[key]) if (key := name.rpartition(".")[2]) in run and not name.startswith("labels.") else "",
            code(setting_default(name)),
            setting_meaning(name),
        )
        for name in setting_names()
    ]
    return f"""
# Settings

A flag takes precedence over the environment (`HARVESTER_OUT`, `HARVESTER_LIMITS__RATE`; `__` nests), that over
`config.toml` (`--config FILE`), that over the user's (`~/.config/harvester/config.toml` on Linux), that over the
archive's profile, and the profile over the default. `config.toml` at the root of the repository shows every setting
with its default. `none` unsets a setting. Durations may carry a unit: `90s`, `30m`, `12h`, `2d`.

{table(("setting", "flag", "default", "meaning"), rows)}
"""


def setting_default(name: str) -> object:
    """Return the default of the setting ``name``, as config.toml spells it."""
    group, _, key = name.rpartition(".")
    value = getattr(TABLES[group](), key) if group else Settings.model_fields[name].default
    return "data/<archive>" if name == "out" else spelled(value)


def setting_meaning(name: str) -> str:
    """Return what the setting ``name`` does."""
    group, _, key = name.rpartition(".")
    text = attribute_docs(TABLES[group])[key] if group else str(Settings.model_fields[name].description)
    return sentence(text)


def profile_page() -> str:
    """Return the table of all fields of a profile."""
    docs = attribute_docs(ArchiveProfile)
    rows = [
        (
            code(f"[{field.name}]" if field.name == "settings" else field.name),
            code(default_of(field)),
            docs.get(field.name, ""),
        )
        for field in fields(ArchiveProfile)
    ]
    return f"""
# Profile

A profile is a TOML file with one archive's URL and quirks, for `--archive FILE.toml`. `harvester discover -o
FILE.toml` writes one; the shipped ones are in `harvester/archive/profiles/`. [Other
archives](../guide/other-archives.md) explains the access modes.

{table(("field", "default", "meaning"), rows)}
"""


def exit_codes_page() -> str:
    """Return the tables of exit codes."""
    rows = [(code(error.__name__), error.exit_code, summary(error)) for error in errors()]
    order = ", ".join(str(number) for number in EXIT_CODE_PRIORITY if number)
    return f"""
# Exit codes

{table(("code", "meaning"), [(number, text) for number, text in sorted(EXIT_CODES.items())])}

If several apply, the first of {order} is returned.

Other commands return 0 for success, 2 for wrong usage, and what their [help](commands.md) says. In Python the same
codes are `Harvest.exit_code`, and the `exit_code` of these exceptions:

{table(("exception", "code", "meaning"), rows)}
"""


def errors() -> list[type[HarvestError]]:
    """Return the exceptions that end a run."""
    return [HarvestError, *HarvestError.__subclasses__()]


def failures_page() -> str:
    """Return the table of failure kinds."""
    rows = [
        (
            code(kind),
            kind.meaning,
            kind.blame,
            {0: "up to `attempts`", 1: "once", 2: "twice"}[kind.max_attempts],
            "yes" if kind.transient else "no",
            kind.advice,
        )
        for kind in FailureKind
    ]
    return f"""
# Failure kinds

`harvester failures` groups missing spectra by these kinds. *Cause* is where the problem lies. *Requested* is how
often a spectrum is requested in one run when it fails like this. *Transient* kinds are worth another run (exit code
4).

{table(("kind", "meaning", "cause", "requested", "transient", "what to do"), rows)}
"""


def events_page() -> str:
    """Return the table of events, and the fields of each."""
    rows = [
        (code(event.event_name()), summary(event), "yes" if event.logged else "no", ", ".join(event_fields(event)))
        for event in ev.EVENTS
    ]
    return f"""
# Events

Everything that happens in a run is an event; ledger, display and logs are observers. *Logged* events are written to
`events.jsonl` and, with `--progress json`, to standard output: one flat JSON object per line, with `event` and `time`
(seconds since 1970, UTC). In `events.jsonl`, `spectrum_saved` lacks what the spectrum's ledger entry has
({", ".join(map(code, IN_LEDGER))}). In Python, `on_event` receives all of them as values of `harvester.events`.

{table(("event", "meaning", "logged", "fields"), rows)}
"""


def event_fields(event: type[ev.Event]) -> list[str]:
    """Return the names of the fields that ``event`` has besides its time."""
    return [code(field.name) for field in fields(event) if field.name != "time"]


def files_page() -> str:
    """Return what a harvest and each of its runs leaves on disk."""
    state = StateFolder(Path("OUT", STATE))
    spectra = [(code(f"OUT/{path}"), text) for path, text in SPECTRA.items()]
    return f"""
# Files

`OUT` is the output directory, `data/<archive>` by default. With an [object store](../guide/object-store.md) the
spectra are objects and the rest stays in a local folder.

{table(("file", "contents"), [*spectra, *paths_of(state, Path())])}

Each run has a folder `{state.runs}/RUN/`, where `RUN` is its name:

{table(("file", "contents"), paths_of(state.run("RUN"), state.runs / "RUN"))}

`summary.json`, and the last line of `--progress json`, contain at least `run`, `listed`, `present`, `saved`,
`failed`, `remaining`, `requests`, `bytes`, `seconds`, `reason`, `exit_code` and `failures`. Always
`listed == present + saved + failed + remaining`. `on_disk` counts the stored spectra of the catalog at any moment. With
`--refresh`, `to_refresh` of them are requested again by this run, which has replaced `refreshed`; the runs that it
resumes have replaced `refreshed_before`, and `refresh_left` are left for the next run.
"""


SPECTRA = {
    "NAME.fits": "A verified spectrum, never a partial one; NAME is the DID's last segment (without .fits) if it is "
    "safe and unique, else a slug of its path with 8 hex digits.",
    "NAME.vot": "The same of a spectrum that the archive has as a VOTable.",
    "ab/NAME.fits": "The same with `--layout hashed`; `ab` are 00 to ff, by the digest of NAME.",
    "labels/NAME.csv": "The labels that NAME gave with `browse --label`, as `id,label`.",
    "SHA256SUMS": "What `verify` found sound, for `sha256sum -c`.",
}


def paths_of(folder: StateFolder | RunFolder, start: Path) -> list[tuple[str, str]]:
    """Return the files that ``folder`` names, relative to ``start``, and the docstrings of the properties that do."""
    named = {name: value for name, value in vars(type(folder)).items() if isinstance(value, property)}
    paths = {path: named[name] for name in named if isinstance(path := getattr(folder, name), Path)}
    below = {path: value for path, value in paths.items() if folder.path in path.parents}
    return [(code(path.relative_to(start)), summary(value)) for path, value in below.items()]


def commands_page() -> str:
    """Return each command with its options."""
    overview = table(("command", "does"), [(f"[`{name}`](#{name})", text) for name, text in COMMANDS.items()])
    return "\n\n".join(["# Commands", COMMANDS_INTRODUCTION, overview, *map(command_section, COMMANDS)]) + "\n"


COMMANDS_INTRODUCTION = """`harvester COMMAND --help` prints the same. `harvester` without a command is `harvester run`;
`python -m harvester` is `harvester`."""


def command_section(name: str) -> str:
    """Return the section of one command."""
    arguments = [
        param.make_metavar(_context(name)) for param in command(name).params if isinstance(param, click.Argument)
    ]
    usage = " ".join(["harvester", name, "[OPTIONS]", *arguments])
    rows = [
        (", ".join(code(flag) for flag in option.opts), code(value_of(option)), option.help or "")
        for option in options(name)
    ]
    text = help_text(command(name).help or "")
    return f"## {name}\n\n`{usage}`\n\n{text}\n\n{table(('option', 'value', 'meaning'), rows)}"


def help_text(text: str) -> str:
    """Return a command's help as Markdown; click leaves paragraphs behind a backspace as they are, so they are code."""
    return "\n\n".join(map(_paragraph, inspect.cleandoc(text.replace("\f", "")).split("\n\n")))


def _paragraph(text: str) -> str:
    return f"```text\n{text.removeprefix(VERBATIM)}\n```" if text.startswith(VERBATIM) else markdown(text)


VERBATIM = "\b\n"


def _context(name: str) -> click.Context:
    return click.Context(command(name), info_name=name)


def command(name: str) -> click.Command:
    """Return the command ``name``."""
    found = commands.get_command(click.Context(commands), name)
    assert found is not None
    return found


def options(name: str) -> list[click.Option]:
    """Return the options of the command ``name``."""
    return [param for param in command(name).params if isinstance(param, click.Option)]


def value_of(option: click.Option) -> str:
    """Return what has to follow ``option``; nothing for a flag."""
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return "|".join(str(choice) for choice in option.type.choices)
    return option.metavar or option.type.name.upper().replace(" RANGE", "")


def default_of(field: Any) -> object:
    """Return the default of a dataclass's field; empty if it has to be given."""
    if field.default is not MISSING:
        return spelled(field.default)
    return "" if field.default_factory is MISSING else spelled(field.default_factory())


PAGES = {
    "settings.md": settings_page,
    "profile.md": profile_page,
    "exit-codes.md": exit_codes_page,
    "failures.md": failures_page,
    "events.md": events_page,
    "files.md": files_page,
    "commands.md": commands_page,
    "api.md": api_page,
    "messages.md": messages_page,
    "formats.md": formats_page,
}


def pages() -> dict[str, str]:
    """Return every page of the reference by its file name."""
    return {name: f"{page().strip()}\n\n{NOTICE}\n" for name, page in PAGES.items()}


def main() -> None:
    """Write the pages, and name those that changed."""
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: docs/reference/{name}")


if __name__ == "__main__":
    main()
