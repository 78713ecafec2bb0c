"""The ledger keeps the URLs of a run once, where they follow from the DIDs; the view shows each as it was."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from harvester import events as ev
from harvester.events.stats import HarvestStats
from harvester.ledger.url_template import FROM_TEMPLATE, UrlTemplate
from harvester.ledger.writer import LedgerWriter
from harvester.model.outcomes import Saved, VerifiedSpectrum
from harvester.model.target import SpectrumId, Target
from harvester.vo.soda import SodaRequest

DIDS = st.text("ab1/?#:+%&~. é", min_size=1, max_size=12).map(lambda text: SpectrumId(f"ivo://{text}"))
URLS = st.sampled_from(["http://a/x", "", "http://a/dlget?ID=ivo%3A%2F%2Fa&ID=ivo%3A%2F%2Fa"])
REQUEST = SodaRequest("http://a/dlget")
PROOF = VerifiedSpectrum(2880, "0" * 64, "1" * 64, 2, 6e-7, 7e-7, "star")


def test_the_url_of_a_usual_did_follows_from_the_template() -> None:
    template = UrlTemplate.of("ivo://a/x", REQUEST.url(SpectrumId("ivo://a/x")))
    assert template is not None
    assert template.shortened("ivo://b/y?z", REQUEST.url(SpectrumId("ivo://b/y?z"))) == FROM_TEMPLATE
    assert template.shortened("ivo://b/y", "http://elsewhere/y") == "http://elsewhere/y"
    assert template.shortened("ivo://b/y", None) is None


@settings(max_examples=25)
@given(st.lists(st.tuples(DIDS, st.none() | URLS), min_size=1, max_size=6, unique_by=lambda pair: pair[0]))
def test_the_view_has_each_url_as_it_was(pairs: list[tuple[SpectrumId, str | None]]) -> None:
    urls = {did: REQUEST.url(did) if url is None else url for did, url in pairs}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        with LedgerWriter(path, HarvestStats) as ledger:
            ledger(ev.HarvestStarted(time.time(), "r", "a", "h", "out", 1, 0, 1, 0, 8))
            for number, (did, url) in enumerate(urls.items()):
                ledger(ev.SpectrumSaved(time.time(), Saved(Target(did, f"n{number}"), PROOF, 1, 0.2, url)))
        assert ledger.fault is None
        with closing(sqlite3.connect(path)) as seen:
            assert dict(seen.execute("SELECT did, url FROM spectrum")) == urls
