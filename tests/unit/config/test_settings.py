"""Settings: who goes before whom, and a sentence for whatever is wrong."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from harvester.config.configuration import Configuration
from harvester.config.loading import load
from harvester.config.profiles import load_profile, shipped_profiles
from harvester.config.settings import TABLES, Settings, setting_names
from harvester.errors import UsageError
from harvester.model.band import Band
from harvester.model.limits import Limits
from tests.support.paths import REPOSITORY

DOCUMENTED = REPOSITORY / "config.toml"

PROFILE = """
name = "elsewhere"
title = "an archive elsewhere"
endpoint = "http://archive.example/dlget"
[settings]
"""


def value(configuration: Configuration, name: str) -> object:
    table, _, leaf = name.rpartition(".")
    return getattr(getattr(configuration.settings, table) if table else configuration.settings, leaf)


def nested(name: str, given: object) -> dict[str, Any]:
    table, _, leaf = name.rpartition(".")
    return {table: {leaf: given}} if table else {leaf: given}


def toml(name: str, given: str) -> str:
    table, _, leaf = name.rpartition(".")
    quoted = given if re.fullmatch(r"[\d.]+|true|false", given) else f'"{given}"'
    return (f"[{table}]\n" if table else "") + f"{leaf} = {quoted}\n"


def refused(flags: dict[str, Any], config: str | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        load(flags, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# The setting, then what profile, file, environment and flag say, then how each of the four reads.
LAYERED = [
    ("fluxcalib", ["p", "f", "e", "g"], ["p", "f", "e", "g"]),
    ("id_column", ["p", "f", "e", "g"], ["p", "f", "e", "g"]),
    ("limit", ["1", "2", "3", "4"], [1, 2, 3, 4]),
    ("only_failed", ["true", "false", "true", "false"], [True, False, True, False]),
    ("refresh", ["true", "false", "true", "false"], [True, False, True, False]),
    ("progress", ["rich", "plain", "json", "none"], ["rich", "plain", "json", "none"]),
    (
        "band",
        ["1 2 um", "3 4 um", "5 6 um", "7 8 um"],
        [Band(1e-6, 2e-6), Band(3e-6, 4e-6), Band(5e-6, 6e-6), Band(7e-6, 8e-6)],
    ),
    ("limits.rate", ["1.5", "2.5", "3.5", "4.5"], [1.5, 2.5, 3.5, 4.5]),
    ("limits.attempts", ["1", "2", "3", "4"], [1, 2, 3, 4]),
    ("limits.connect_timeout", ["1.5", "2.5", "3.5", "4.5"], [1.5, 2.5, 3.5, 4.5]),
]


@pytest.mark.parametrize(("name", "said", "read"), LAYERED)
@pytest.mark.parametrize("highest", range(5))
def test_flag_goes_before_environment_before_file_before_profile_before_default(
    name: str, said: list[str], read: list[object], highest: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.toml").write_text(
        PROFILE + (toml(name, said[0]).replace("[limits]", "[settings.limits]") if highest > 0 else "")
    )
    if highest > 1:
        (tmp_path / "config.toml").write_text(toml(name, said[1]))
    if highest > 2:
        monkeypatch.setenv("HARVESTER_" + name.upper().replace(".", "__"), said[2])
    flags = nested(name, said[3]) if highest > 3 else {}
    configuration = load({"archive": "elsewhere.toml", **flags})
    assert configuration.profile.name == "elsewhere"
    default = value(Configuration(Settings.model_construct(), configuration.profile), name)
    assert value(configuration, name) == [default, *read][highest]


def test_tables_are_merged_name_by_name_over_all_layers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.toml").write_text(
        PROFILE + "[settings.limits]\nrate = 1\nattempts = 2\ngrace = 3\nfirst_wait = 4\n"
    )
    (tmp_path / "config.toml").write_text(
        'archive = "elsewhere.toml"\n[limits]\nrate = 10\nattempts = 20\ngrace = 30\n'
    )
    monkeypatch.setenv("HARVESTER_LIMITS__RATE", "100")
    monkeypatch.setenv("HARVESTER_LIMITS__ATTEMPTS", "99")
    limits = load({"limits": {"rate": "1000"}}).settings.limits
    assert limits == Limits(rate=1000.0, attempts=99, grace=30.0, first_wait=4.0)


def test_the_archive_may_be_named_on_any_layer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load({}).profile.name == "ondrejov"
    (tmp_path / "config.toml").write_text('archive = "demo"\n')
    assert load({}).profile.name == "demo"
    assert load({}).settings.limits.rate == 25.0, "the profile's own"
    monkeypatch.setenv("HARVESTER_ARCHIVE", "http://one.example/dlget")
    assert load({}).profile.endpoint == "http://one.example/dlget"
    assert load({"archive": "ondrejov"}).profile.name == "ondrejov"


def test_a_flag_that_was_not_given_is_none_and_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("limit = 7\n")
    assert load({"limit": None}).settings.limit == 7


def test_a_file_that_was_requested_is_read_in_place_of_the_usual_one(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("limit = 7\n")
    (tmp_path / "mine.toml").write_text("limit = 8\n")
    assert load({}, "mine.toml").settings.limit == 8


@pytest.mark.parametrize("name", ["catalog", "out", "fluxcalib", "band", "format", "contact", "limit"])
def test_none_takes_back_what_a_lower_layer_set(name: str, tmp_path: Path) -> None:
    given = {
        "band": "1 2 um",
        "limit": "5",
        "contact": "me@there.example",
        "fluxcalib": "relative",
        "format": "text/csv",
    }.get(name, "something")
    (tmp_path / "config.toml").write_text(toml(name, given))
    assert value(load({}), name) is not None
    assert value(load({name: "none"}), name) is None


def test_spectra_go_below_data_by_archive_unless_reported_otherwise() -> None:
    assert load({}).out == Path("data/ondrejov")
    assert load({"archive": "https://one.example:8080/x"}).out == Path("data/one.example")
    assert load({"out": "there"}).out == Path("there")


def test_what_is_requested_follows_the_settings() -> None:
    request = load({"archive": "http://x.example/d", "band": "6500 6600 AA", "fluxcalib": "none"}).request
    assert (request.endpoint, request.fluxcalib, request.band) == ("http://x.example/d", None, Band(6.5e-7, 6.6e-7))


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ({"limits": {"rate": "fast"}}, "--rate 'fast': it should be a number"),
        ({"limits": {"rate": "-1"}}, "--rate '-1': it should be greater than or equal to 0"),
        ({"limits": {"rate": "inf"}}, "--rate 'inf': it should be a finite number"),
        ({"limits": {"rate": "1e300"}}, "--rate '1e300': it should be less than or equal to"),
        ({"limits": {"concurrency": "0"}}, "--concurrency '0': it should be greater than or equal to 1"),
        ({"limits": {"concurrency": "2.5"}}, "--concurrency '2.5': it should be a whole number"),
        ({"limits": {"attempts": "many"}}, "--attempts 'many': it should be a whole number"),
        ({"limit": "0"}, "--limit '0': it should be greater than or equal to 1"),
        ({"progress": "blue"}, "--progress 'blue': it should be 'auto', 'rich', 'plain', 'json' or 'none'"),
        ({"contact": "me"}, "--contact 'me': an e-mail address is expected, like me@observatory.example"),
        ({"contact": "a@b\r\nX: y"}, "an e-mail address is expected"),
        ({"band": "6600 6500 AA"}, "--band '6600 6500 AA': the limits are reversed or equal"),
        ({"band": "6500 6600"}, "--band '6500 6600': 6500 m is not a wavelength of a spectrum; without a unit"),
        ({"id_column": ""}, "--id-column '':"),
        (
            {"archive": "ondrejo"},
            "--archive ondrejo: no such profile; did you mean ondrejov? (shipped: bess, cadc, demo,",
        ),
        ({"archive": "http://"}, "--archive http://: a URL without a host; give a dlget URL"),
        ({"archive": "http://["}, "--archive http://[: a URL without a host; give a dlget URL"),
        ({"archive": "no.toml"}, "--archive no.toml: No such file or directory; give an archive profile"),
    ],
)
def test_a_wrong_flag_is_reported_by_its_name_with_its_value(flags: dict[str, Any], sentence: str) -> None:
    assert sentence in refused(flags)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[limits]\nrate = -2", "config.toml: limits.rate = -2: it should be greater than or equal to 0"),
        ("[limits]\nrate = nan", "config.toml: limits.rate = nan: it should be a finite number"),
        ("[limits]\nraet = 5", "config.toml: limits.raet = 5: there is no such setting; did you mean limits.rate?"),
        ("catalogue = 'x'", "config.toml: catalogue = 'x': there is no such setting; did you mean catalog?"),
        ("rate = 5", "config.toml: rate = 5: there is no such setting; did you mean limits.rate?"),
        ("colour = 5", "config.toml: colour = 5: there is no such setting"),
        ("limits = 5", "config.toml: limits = 5: it should be a table"),
        ("band = 6500", "config.toml: band = 6500: a text 'LO HI [UNIT]' is expected"),
        ("band = {low = 5, high = 3}", "config.toml: band = {'low': 5, 'high': 3}: a text 'LO HI [UNIT]' is expected"),
        ("only_failed = 'perhaps'", "config.toml: only_failed = 'perhaps': it should be true or false"),
        ("rate 5", "config.toml: not TOML:"),
    ],
)
def test_what_is_wrong_in_the_file_is_reported_by_file_name_and_value(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(text)
    assert sentence in refused({})


@pytest.mark.parametrize(
    ("variable", "given", "sentence"),
    [
        ("HARVESTER_LIMITS__RATE", "fast", "variable HARVESTER_LIMITS__RATE: limits.rate = 'fast': it should be"),
        ("HARVESTER_LIMITS", '{"rate": -2}', "environment variable HARVESTER_LIMITS: limits.rate = -2: it should be"),
        ("HARVESTER_LIMITS", "fast", "give plain values, HARVESTER_LIMITS__RATE=2 for nested ones"),
        ("HARVESTER_BAND", "6600 6500 AA", "environment variable HARVESTER_BAND: band = '6600 6500 AA': the limits"),
        ("HARVESTER_BAND", "6.5e-07", "environment variable HARVESTER_BAND: band = 6.5e-07: a text 'LO HI [UNIT]'"),
        ("HARVESTER_LIMITS__RAET", "2", "RAET = '2': there is no such setting; did you mean HARVESTER_LIMITS__RATE?"),
        ("HARVESTER_RATE", "2", "HARVESTER_RATE = '2': there is no such setting; did you mean HARVESTER_LIMITS__RATE?"),
        ("HARVESTER_CATALOGUE", "x", "CATALOGUE = 'x': there is no such setting; did you mean HARVESTER_CATALOG?"),
        ("HARVESTER_QQQQQQQQQQQQ", "x", "environment variable HARVESTER_QQQQQQQQQQQQ = 'x': there is no such setting"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_environment_is_reported_by_its_variable(
    variable: str, given: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, given)
    assert sentence in refused({})


def test_lists_and_tables_in_the_environment_are_json_and_all_else_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARVESTER_LABELS", '{"column": "kind", "emission": ["7"]}')
    monkeypatch.setenv("HARVESTER_LABELS__EMISSION", '["0", "3"]')
    monkeypatch.setenv("HARVESTER_LABELS__NAMES", '{"0": "in emission"}')
    monkeypatch.setenv("HARVESTER_OUT", "2024")
    settings = load({}).settings
    assert settings.labels.column == "kind"
    assert settings.labels.emission == ("0", "3"), "the variable of one setting goes before that of its table"
    assert settings.labels.names["0"] == "in emission"
    assert settings.labels.names["1"] == "absorption", "the profile's, which the variable does not name"
    assert settings.out == Path("2024")


def test_other_peoples_variables_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATE", "fast")
    monkeypatch.setenv("MY_HARVESTER_RATE", "fast")
    assert load({}).settings.limits == Limits()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (PROFILE + "rate = 1\n", "archive profile: rate = 1: there is no such setting; did you mean limits.rate?"),
        (PROFILE + "[settings.limits]\nrate = -1\n", "archive profile: limits.rate = -1: it should be"),
        ('name = "x"\n', "archive profile mine.toml: title is missing; add it"),
        ("name = 5\ntitle = 'x'\nendpoint = 'y'", "archive profile mine.toml: name = 5: it should be a text"),
        ("tpa = 'x'\n" + PROFILE, "archive profile mine.toml: tpa = 'x': there is no such field; did you mean tap?"),
        ("name", "archive profile mine.toml: not TOML: "),
        (b"name = '\xff'", "archive profile mine.toml: not TOML: "),
    ],
)
def test_what_is_wrong_in_a_profile_is_reported_too(text: str | bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    assert sentence in refused({"archive": "mine.toml"})


def test_a_configuration_file_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    assert "--config no.toml: No such file or directory; give a TOML file" in refused({}, "no.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    assert "odd.toml: not TOML" in refused({}, "odd.toml")
    (tmp_path / "config.toml").mkdir()
    assert "Is a directory" in refused({})


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_loads_and_its_settings_are_sound(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert (profile.endpoint or profile.tap or profile.ssap).startswith("http")
    load({"archive": name})


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"archive": "demo"},
        {
            "band": "6500 +Inf AA",
            "fluxcalib": "none",
            "format": "none",
            "limit": "3",
            "out": "there",
            "catalog": "a.csv",
        },
        {"limits": {"rate": "0", "grace": "1.5"}, "only_failed": True, "contact": "me@there.example"},
    ],
)
def test_what_a_run_writes_down_sets_the_same_settings_again(flags: dict[str, Any], tmp_path: Path) -> None:
    before = load(flags)
    (tmp_path / "again.toml").write_text(before.as_toml())
    after = load({}, "again.toml")
    assert after.settings.model_dump(exclude={"out"}) == before.settings.model_dump(exclude={"out"})
    assert (after.out, after.profile, after.request) == (before.out, before.profile, before.request)


A_SETTING = re.compile(r"# ?(?P<name>[a-z_]+) = (?P<value>.+)")


def test_the_repositorys_config_toml_documents_every_setting_with_its_default(tmp_path: Path) -> None:
    lines = DOCUMENTED.read_text(encoding="utf-8").splitlines()
    assert not any(tomllib.loads("\n".join(lines)).values()), "as shipped it sets nothing"
    live = [line.removeprefix("#").lstrip() if A_SETTING.fullmatch(line) else line for line in lines]
    (tmp_path / "live.toml").write_text("\n".join(live), encoding="utf-8")
    set_there = tomllib.loads("\n".join(live))
    nested = {f"{table}.{name}" for table in TABLES for name in set_there.pop(table)}
    assert {*set_there, *nested} == set(setting_names())
    settings = load({}, "live.toml").settings
    # what the archive's labels are called is its profile's to say
    plain: dict[str, Any] = {"exclude": {"labels": {"names"}}}
    assert settings.model_dump(**plain) == Settings.model_construct().model_dump(**plain)
    assert settings.limits == Limits()


def test_the_repositorys_config_toml_says_of_every_setting_what_it_is() -> None:
    lines = DOCUMENTED.read_text(encoding="utf-8").splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if A_SETTING.fullmatch(line):
            assert re.fullmatch(r"# .*\w{3}.*", above), f"nothing is said above {line!r}"
            assert not A_SETTING.fullmatch(above)


def test_every_field_is_a_setting_that_says_what_it_is() -> None:
    assert set(setting_names()) == {
        *(set(Settings.model_fields) - TABLES.keys()),
        *(f"{table}.{field.name}" for table, kind in TABLES.items() for field in dataclasses.fields(kind)),
    }
    assert all(field.description for field in Settings.model_fields.values())
