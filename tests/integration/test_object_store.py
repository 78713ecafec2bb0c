"""Harvests into object stores: complete, proved to the byte, resumed from the listing, whatever the service does."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import sys
from pathlib import Path
from uuid import uuid4

import obstore
import pyarrow.parquet
import pytest
from obstore.store import from_url

from harvester import events as ev
from harvester.cli import main
from harvester.config.loading import load
from harvester.demo import DemoArchive, listed_dids, serve
from harvester.ledger import queries
from harvester.run.execute import locked_store
from harvester.run.prepare import catalog_of, prepare
from harvester.storage.url import parse_address
from harvester.verify import verify_spectrum
from tests.support.file_server import file_server
from tests.support.harvests import Harvested, harvest_demo, harvest_from
from tests.support.object_servers import BUCKET, between, free_port, rclone
from tests.support.spectral_files import FLUX, image, written
from tests.support.stores import Servers, bucket, servers
from tests.support.votable_files import spectrum_votable

__all__ = ["bucket", "servers"]

COUNT = 20
IMAGE = written(image(FLUX, CRVAL1=5000.0, CDELT1=0.5, CRPIX1=1.0, CUNIT1="Angstrom"))
ON_BOTH = pytest.mark.parametrize("bucket", ["moto", "rclone"], indirect=True)
ON_MOTO = pytest.mark.parametrize("bucket", ["moto"], indirect=True)


def home(url: str) -> Path:
    return Path("data") / parse_address(url).folder


def stored(url: str) -> dict[str, bytes]:
    """All objects but our own state, seen past our own store."""
    service = from_url(url)
    names = [one["path"] for some in obstore.list(service) for one in some]
    return {
        name: bytes(obstore.get(service, name).bytes()) for name in names if name.endswith(".fits") and "/" not in name
    }


def prove_all(url: str, shown: Harvested, count: int = COUNT) -> None:
    """Exactly the listed spectra are there, each sound, and each the very bytes that the ledger remembers."""
    configuration = load({"out": url, "archive": shown.archive.dlget})
    objects = stored(url)
    digests = dict(queries.digests(home(url) / ".harvester" / "ledger.sqlite"))
    dids = {did.rpartition("/")[2] + ".fits": did for did in listed_dids(count)}
    assert set(objects) == set(dids) == set(digests)
    for name, body in objects.items():
        assert hashlib.sha256(body).hexdigest() == digests[name]
        assert verify_spectrum(body, dids[name], configuration.expectation).sha256 == digests[name]  # type: ignore[union-attr]


def typed(*arguments: str) -> tuple[int, str]:
    """Exit code and words of a command, typed into this process: the environment leads it to the test's server."""
    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        patched.setattr(sys, "argv", ["harvester", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
    assert isinstance(left.value.code, int)
    return left.value.code, said.getvalue()


# ---- that it works, and goes on where it stopped


@ON_BOTH
async def test_a_harvest_into_a_bucket_is_complete_and_the_next_asks_nothing(bucket: str) -> None:
    async with serve(DemoArchive(count=COUNT)) as archive:
        shown = await harvest_from(archive, bucket, listed_dids(COUNT))
        assert shown.report.stats.exit_code == 0
        prove_all(bucket, shown)
        again = await harvest_from(archive, bucket, listed_dids(COUNT))
    assert (again.report.stats.saved, again.report.stats.requests) == (0, 0)


@ON_BOTH
async def test_losing_the_local_folder_loses_no_spectrum(bucket: str) -> None:
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, bucket, listed_dids(COUNT - 3))
        shutil.rmtree("data")
        shown = await harvest_from(archive, bucket, listed_dids(COUNT))
        assert shown.report.stats.requests == 3
        prove_all(bucket, shown)


@ON_MOTO
async def test_without_a_ledger_what_is_no_spectrum_is_set_aside_and_fetched_again(bucket: str) -> None:
    service = from_url(bucket)
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, bucket, listed_dids(COUNT))
        shutil.rmtree("data")
        names = sorted(stored(bucket))
        obstore.put(service, names[0], b"\0" * 2880)
        obstore.put(service, names[1], b"half a block")
        shown = await harvest_from(archive, bucket, listed_dids(COUNT))
        assert shown.report.stats.requests == 2
        prove_all(bucket, shown)
    kept = bytes(obstore.get(service, f".harvester/quarantine/{names[1].removesuffix('.fits')}.suspect.body").bytes())
    assert kept == b"half a block"


async def test_files_behind_an_address_are_objects_too(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    url = (tmp_path / "far").as_uri()
    shown = await harvest_demo(url, COUNT)
    prove_all(url, shown)


@ON_MOTO
async def test_a_refresh_replaces_and_a_plain_run_does_not(bucket: str) -> None:
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, bucket, listed_dids(COUNT))
        shown = await harvest_from(archive, bucket, listed_dids(COUNT), refresh=True)
        assert shown.report.stats.saved == COUNT
        prove_all(bucket, shown)


@ON_BOTH
async def test_a_second_machine_neither_undoes_nor_doubts_what_the_first_stored(bucket: str) -> None:
    async with serve(DemoArchive(count=COUNT)) as archive:
        asked = {"out": bucket, "archive": archive.dlget, "catalog": "wanted.csv", "state": "elsewhere"}
        first = await harvest_from(archive, bucket, listed_dids(COUNT))
        before = stored(bucket)
        configuration = load(asked)
        with locked_store(configuration, "second") as store:
            preparation = prepare(configuration, catalog_of(configuration), store)
        assert (preparation.wanted, len(preparation.findings)) == (0, COUNT), "proved by downloading, not trusted"
        prove_all(bucket, first)
    assert stored(bucket) == before


# ---- faults


async def test_a_server_that_dies_in_mid_run_is_waited_for_and_nothing_is_requested_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rclone(tmp_path) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        url, saved, pauses = f"s3://{BUCKET}/night", [0], []

        def saboteur(event: ev.Event) -> None:
            match event:
                case ev.SpectrumSaved():
                    saved[0] += 1
                    if saved[0] == 5:
                        server.kill()
                case ev.HarvestPaused(kind=ev.Pause.DISK, reason=reason):
                    pauses.append(reason)
                    if len(pauses) == 1:
                        server.start()

        shown = await harvest_demo(url, COUNT, watchers=[saboteur], limits={"disk_wait": 60})
        assert shown.report.stats.exit_code == 0
        assert "the service takes nothing at the moment" in pauses[0]
        assert shown.report.stats.requests == COUNT
        prove_all(url, shown)


@pytest.mark.parametrize("kind", ["moto", "rclone"])
async def test_errors_slow_and_lost_answers_end_in_exactly_the_right_objects(
    kind: str, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/{uuid4().hex[:8]}"
    with between(servers[kind], "", "500", "lost", "slow", "", "503", "cut") as (proxy, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        shown = await harvest_demo(url, COUNT, limits={"disk_wait": 60})
        assert shown.report.stats.exit_code == 0
        assert shown.report.stats.requests == COUNT, "the archive is asked once, whatever the storage does"
        assert set(proxy.met) == {"", "500", "lost", "slow", "503", "cut"}
        prove_all(url, shown)


async def test_a_service_that_takes_no_spectrum_ends_the_run_in_order(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/{uuid4().hex[:8]}"
    with between(servers["moto"], "503") as (_, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        shown = await harvest_demo(url, COUNT, limits={"disk_wait": 3})
        assert shown.report.stats.exit_code == 6
        assert "takes nothing at the moment (503 SlowDown)" in str(shown.report.stats.reason)
        assert stored(url) == {}


# ---- sentences


@ON_MOTO
def test_a_bucket_that_is_not_there_is_one_sentence(bucket: str) -> None:
    code, said = typed("run", "--archive", "demo", "--out", "s3://unknown/has/it", "--progress", "none")
    assert (code, "there is no such bucket or folder" in said) == (6, True)
    assert "Traceback" not in said


@pytest.mark.parametrize("bucket", ["rclone"], indirect=True)
def test_refused_credentials_are_one_sentence_without_them(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "notthesecret")
    for command in ("run", "plan"):
        code, said = typed(command, "--archive", "demo", "--out", bucket)
        assert (code, "refuses our credentials (403 SignatureDoesNotMatch)" in said) == (6, True)
        assert "notthesecret" not in said


def test_a_service_that_no_one_runs_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    code, said = typed("run", "--archive", "demo", "--out", "s3://b/p")
    assert (code, "plain http: set AWS_ALLOW_HTTP=true" in said) == (6, True)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    code, said = typed("run", "--archive", "demo", "--out", "s3://b/p")
    assert (code, "takes nothing at the moment (no response)" in said) == (6, True)


def test_no_credentials_is_one_sentence_that_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    code, said = typed("run", "--archive", "demo", "--out", "az://container/p")
    assert (code, "no credentials: put them into the environment (AZURE_STORAGE_ACCOUNT_NAME" in said) == (6, True)


@pytest.mark.parametrize(
    "url",
    ["s3://KEY:SECRET@bucket/p", "s3://bucket/p?X-Amz-Signature=SECRET", "az://c/p#SECRET", "ftp://SECRET/p", "s3://"],
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    code, said = typed("plan", "--archive", "demo", "--out", url)
    assert code == 2
    assert "SECRET" not in said.replace("ftp://SECRET", "")
    assert "expected" in said or "credentials come from the environment alone" in said


@pytest.mark.parametrize("url", ["s3://b/../c", "s3://b/a//c", "file:///a/./b", "gs://b/ /c"])
def test_no_path_leads_out_of_the_local_folder(url: str) -> None:
    with pytest.raises(ValueError, match="empty part"):
        parse_address(url)


@pytest.mark.parametrize("command", ["send abc", "diff last disk"])
def test_other_commands_say_what_to_do(command: str) -> None:
    code, said = typed(*command.split(), "--archive", "demo", "--out", "s3://bucket/prefix")
    assert (code, "copy them into one first" in said) == (2, True)


def test_without_the_library_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "harvester.storage.object_store", None)
    code, said = typed("plan", "--archive", "demo", "--out", "s3://bucket/prefix")
    assert (code, "pip install 'specharvest[objects]'" in said) == (2, True)


# ---- what one types


@ON_BOTH
async def test_status_failures_plan_and_verify_work_with_a_bucket(bucket: str) -> None:
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, bucket, listed_dids(COUNT))
    place = ("--out", bucket)
    assert f"{COUNT} of {COUNT} on disk" in typed("status", *place)[1]
    assert typed("failures", *place) == (0, f"no failures in {bucket}\n")
    assert typed("plan", *place, "--catalog", "wanted.csv", "--archive", archive.dlget)[0] == 0
    code, said = typed("verify", *place)
    assert (code, f"{COUNT} spectra checked in {bucket}" in said) == (0, True)
    service = from_url(bucket)
    sums = bytes(obstore.get(service, "SHA256SUMS").bytes()).decode().splitlines()
    assert {line.split()[1]: line.split()[0] for line in sums} == {
        name: hashlib.sha256(body).hexdigest() for name, body in stored(bucket).items()
    }


@ON_MOTO
def test_votables_in_a_bucket_are_verified_drawn_and_exported(bucket: str, tmp_path: Path) -> None:
    files = {"text": spectrum_votable(), "arrays": spectrum_votable("binary2", one_row=True), "image": IMAGE}
    place = ("--archive", "p.toml", "--out", bucket)
    run = ("run", *place, "--catalog", "all.csv", "--progress", "none")
    with file_server(files) as server:
        server.list_in(tmp_path)
        assert typed(*run)[0] == 0
        kept = {one["path"] for some in obstore.list(from_url(bucket)) for one in some if "/" not in one["path"]}
        assert kept - {"SHA256SUMS"} == {"text.vot", "arrays.vot", "image.fits"}
        assert typed(*run)[0] == 0
        assert server.requests == len(files), "nothing is requested twice"
    code, said = typed("verify", *place)
    assert (code, f"{len(files)} spectra checked in {bucket}" in said) == (0, True)
    for name in ("arrays", "ivo://a/text"):
        code, said = typed("preview", name, *place)
        assert (code, "HD 50975" in said) == (0, True)
    assert "3 spectra" in typed("export", "all.parquet", *place)[1]
    assert pyarrow.parquet.read_table("all.parquet").num_rows == len(files)
    obstore.put(from_url(bucket), "text.vot", spectrum_votable()[:-200])
    assert typed("preview", "text", *place)[0] == 3
    assert typed("verify", *place)[0] == 3


@ON_MOTO
async def test_a_bucket_is_exported_and_reported_like_a_folder(bucket: str) -> None:
    shown = await harvest_demo(bucket, COUNT)
    assert not shown.report.warnings, "the page at the end is made as well"
    code, said = typed("export", "harvest.parquet", "--out", bucket)
    assert (code, f"{COUNT} spectra" in said) == (0, True)
    assert pyarrow.parquet.read_table("harvest.parquet").num_rows == COUNT
    code, said = typed("report", "--out", bucket)
    assert (code, bucket in Path(said.strip()).read_text()) == (0, True)
    obstore.delete(from_url(bucket), min(stored(bucket)))
    code, said = typed("export", "harvest.parquet", "--out", bucket)
    assert (code, "the file is gone" in said) == (3, True)


@ON_MOTO
async def test_verify_finds_what_was_changed_and_fix_makes_the_next_run_fetch_it(bucket: str) -> None:
    async with serve(DemoArchive(count=COUNT)) as archive:
        await harvest_from(archive, bucket, listed_dids(COUNT))
        name, body = sorted(stored(bucket).items())[0]
        obstore.put(from_url(bucket), name, body[:-1] + b"\1")
        code, said = typed("verify", "--out", bucket)
        assert (code, f"{bucket}/{name}" in said) == (3, True)
        assert typed("verify", "--fix", "--out", bucket)[0] == 3
        assert name not in stored(bucket)
        shown = await harvest_from(archive, bucket, listed_dids(COUNT))
        assert shown.report.stats.requests == 1
        prove_all(bucket, shown)


@ON_BOTH
def test_a_run_says_if_the_service_cannot_keep_two_harvests_apart(bucket: str, request: pytest.FixtureRequest) -> None:
    code, said = typed("run", "--archive", "demo", "--limit", "1", "--out", bucket, "--progress", "plain")
    assert code == 4
    assert ("does not know PUT-if-absent" in said) == ("rclone" in request.node.name)
    assert f"spectra  {bucket}\n" in said.replace(" \n", "\n")
    assert f"data/s3/{bucket.removeprefix('s3://')}/.harvester/runs" in said
