"""Whatever happens between and during runs, the next full run brings the disk to what the catalog and archive say."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from harvester import events as ev
from harvester.demo import DemoArchive, FaultPlan, Planned, listed_dids, serve
from harvester.engine.shutdown import Shutdown
from harvester.model.exit_codes import StopReason
from harvester.model.expectation import Expectation
from harvester.model.outcomes import VerifiedSpectrum
from harvester.model.target import SpectrumId
from harvester.storage.atomic import HOST
from harvester.verify import verify_spectrum
from tests.support.harvests import Harvested, fits_names, harvest_demo, harvest_from, leftovers

MOST = 12
DIDS = list(listed_dids(MOST))
PASSING = ("http_500", "truncated", "html", "cut_off", "wrong_spectrum", "empty", "garbled", "disconnect", "zero_flux")
LASTING = ("http_404", "no_data", "traceback", "nan", "http_500", "cut_off")

some = st.integers(0, MOST - 1)


class Resume(RuleBasedStateMachine):
    """A directory, a catalog, and everything that people, power and archives do to them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="resume-"))
        self.out = self.folder / "out"
        self.listed: list[SpectrumId] = DIDS[:6]

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize(count=st.integers(1, MOST))
    def begin(self, count: int) -> None:
        self.listed = DIDS[:count]

    def path(self, number: int) -> Path:
        return self.out / f"{DIDS[number].rpartition('/')[2]}.fits"

    def sound(self) -> set[SpectrumId]:
        """What is on disk, whole and itself."""
        return {
            did
            for number, did in enumerate(DIDS)
            if self.path(number).is_file()
            and isinstance(
                verify_spectrum(self.path(number).read_bytes(), did, Expectation(normalized=True)), VerifiedSpectrum
            )
        }

    # ---- runs

    def harvest(
        self, faults: FaultPlan | None = None, stop_after: int = 0, signals: int = 1, limit: int = 0
    ) -> Harvested:
        """Run once; whatever the run was like, the books balance, no wrong file is seen and nothing is left behind."""
        had = self.sound() & set(self.listed)
        shown, asked = asyncio.run(self._harvest(faults or FaultPlan(), stop_after, signals, limit))
        stats = shown.report.stats
        assert stats.listed == len(self.listed) == stats.present + stats.saved + stats.failed + stats.remaining
        assert stats.present == len(had)
        assert had <= self.sound(), "what was there stays"
        assert len(self.sound() & set(self.listed)) == stats.present + stats.saved
        for did in self.listed:
            assert did in self.sound() or not self.path(DIDS.index(did)).exists(), "a wrong file is visible"
        if any(isinstance(event, ev.HarvestPaused) for event in shown.events):
            had = had - set([did for did in self.listed if did in had][:1])  # the one that tells if the archive is well
        assert not asked & had, "nothing is asked for that is there"
        assert not leftovers(self.out)
        return shown

    async def _harvest(
        self, faults: FaultPlan, stop_after: int, signals: int, limit: int
    ) -> tuple[Harvested, set[str]]:
        stop, saved = Shutdown(), 0

        def interrupt(event: ev.Event) -> None:
            nonlocal saved
            if isinstance(event, ev.SpectrumSaved):
                saved += 1
                for _ in range(signals if saved == stop_after else 0):
                    stop.interrupt(StopReason("stopped by Ctrl-C", 130))

        async with serve(DemoArchive(count=MOST, faults=faults)) as archive:
            shown = await harvest_from(
                archive, self.out, self.listed, stop=stop, watchers=[interrupt], limit=limit or None,
                limits={"attempts": 3},
            )  # fmt: skip
            return shown, set(archive.log.by_did)

    @rule()
    def run_to_the_end(self) -> None:
        shown = self.harvest()
        assert shown.report.stats.exit_code == 0
        assert set(self.listed) <= self.sound()
        assert {f"{did.rpartition('/')[2]}.fits" for did in self.listed} <= fits_names(self.out)

    @rule(limit=st.integers(1, 4))
    def run_some(self, limit: int) -> None:
        missing = set(self.listed) - self.sound()
        assert self.harvest(limit=limit).report.stats.saved == min(limit, len(missing))

    @rule(stop_after=st.integers(1, 4), signals=st.integers(1, 2))
    def run_and_interrupt(self, stop_after: int, signals: int) -> None:
        self.harvest(stop_after=stop_after, signals=signals)

    @rule(bad=st.dictionaries(some, st.sampled_from(PASSING), max_size=3))
    def run_through_faults_that_pass(self, bad: dict[int, str]) -> None:
        shown = self.harvest(FaultPlan({DIDS[number]: Planned(name, 1) for number, name in bad.items()}))
        assert shown.report.stats.exit_code == 0

    @rule(bad=st.dictionaries(some, st.sampled_from(LASTING), max_size=3))
    def run_through_faults_that_last(self, bad: dict[int, str]) -> None:
        lost = (set(self.listed) - self.sound()) & {DIDS[number] for number in bad}
        shown = self.harvest(FaultPlan({DIDS[number]: Planned(name) for number, name in bad.items()}))
        assert shown.report.stats.failed == len(lost)

    # ---- what people and power do

    @precondition(lambda self: self.out.exists())
    @rule(number=some, keep=st.sampled_from([None, 0, 1, 2880, 5760, -2880, -1]))
    def delete_or_cut_a_file(self, number: int, keep: int | None) -> None:
        path = self.path(number)
        if not path.exists():
            return
        if keep is None:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:keep])

    @precondition(lambda self: self.out.exists())
    @rule(number=some, other=some)
    def copy_one_file_over_another(self, number: int, other: int) -> None:
        if self.path(number).exists() and number != other and not self.path(other).exists():
            shutil.copyfile(self.path(number), self.path(other))

    @precondition(lambda self: self.out.exists())
    @rule(content=st.sampled_from([None, b"", b"garbage" * 999]))
    def lose_the_ledger(self, content: bytes | None) -> None:
        for path in (self.out / ".harvester").glob("ledger.sqlite*"):
            path.unlink()
        if content is not None:
            (self.out / ".harvester" / "ledger.sqlite").write_bytes(content)

    @rule(listed=st.lists(st.sampled_from(DIDS), min_size=1, unique=True))
    def list_others(self, listed: Sequence[SpectrumId]) -> None:
        self.listed = list(listed)


def test_every_way_back_to_a_whole_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"FIRST_PROBE": 0.01, "SECOND_PROBE": 0.05, "NEXT_GOOD_PROBE": 0.01}.items():
        monkeypatch.setattr(f"harvester.engine.circuit_breaker.{name}", seconds)
    quick = settings(
        max_examples=12, stateful_step_count=8, database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )  # fmt: skip
    run_state_machine_as_test(Resume, settings=quick)


async def test_a_run_removes_what_a_killed_one_left_half_written_in_its_folder(tmp_path: Path) -> None:
    first = await harvest_demo(tmp_path / "out", 2)
    left = first.report.folder / f".summary.json.{HOST}.4194304.abcd0.part"
    left.write_text("{")
    await harvest_demo(tmp_path / "out", 2)
    assert not left.exists()
