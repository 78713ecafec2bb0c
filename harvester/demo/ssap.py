"""Answer SSAP's queryData over the demo catalog, piece by piece (SSAP 1.1, section 4).

As DaCHS does: two rows for each spectrum (FITS and VOTable), every error a VOTable in a 200, no paging.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..model.target import SpectrumId
from .columns import constants, fields, rows_of
from .observations import SyntheticObservation, observe
from .ssap_query import SsapQuery, read_query
from .votables import HEAD, error_votable, links_block, param, row, service, soda_block

_PIECE = 100  # spectra in one piece of the stream
_INPUTS = """
    POS SIZE BAND TIME FORMAT APERTURE SNR REDSHIFT TARGETNAME TARGETCLASS MTIME FLUXCALIB SPATRES WAVECALIB COLLECTION
    SPECRP PUBDID CREATORDID WILDTARGET WILDTARGETCASE REQUEST TOP COMPRESS RUNID responseformat maxrec verb
"""
_WARNING = (
    "The query limit was reached. Increase it to retrieve more matches.\nNote that unsorted truncated queries are not"
    " reproducible (i.e., might\nreturn a different result set at a later time)."
)


def answer_query(parameters: Iterable[tuple[str, str]], dids: Iterable[SpectrumId], base: str) -> Iterator[bytes]:
    """Yield the pieces of the document; errors are documents, too, all with status 200."""
    given: dict[str, str] = {}
    for name, value in parameters:
        given.setdefault(name.upper(), value.strip())  # of several, DaCHS takes the first
    try:
        query = read_query(given)
    except ValueError as error:
        yield error_votable(str(error))
        return
    if query.metadata:
        yield _metadata().encode()
        return
    yield from _result(query, map(observe, dids), base)


def _result(query: SsapQuery, observations: Iterable[SyntheticObservation], base: str) -> Iterator[bytes]:
    # The status comes before the rows, so whether they overflow must be known first; observations are small.
    chosen: list[SyntheticObservation] = []
    for observation in observations:
        if len(chosen) * len(query.mimes) > query.maxrec:
            break
        if query.mimes and query.matches(observation):
            chosen.append(observation)
    overflow = len(chosen) * len(query.mimes) > query.maxrec
    yield _start("OVERFLOW" if overflow else "OK").encode()
    left = query.maxrec
    for start in range(0, len(chosen), _PIECE):
        rows = [line for it in chosen[start : start + _PIECE] for line in rows_of(it, query.mimes, base)][:left]
        left -= len(rows)
        yield "".join(map(row, rows)).encode()
    sent = -(-min(query.maxrec, len(chosen) * len(query.mimes)) // max(len(query.mimes), 1))
    yield _end(base, chosen[:sent]).encode()


def _start(status: str) -> str:
    info = f'<INFO name="SERVICE_PROTOCOL" value="1.04">SSAP</INFO><INFO name="QUERY_STATUS" value="{status}"></INFO>'
    if status == "OVERFLOW":
        info += f'<INFO name="warning" value="{_WARNING}"></INFO>'
    return f'{HEAD}<RESOURCE type="results">{info}<TABLE name="result">{fields()}{constants()}<DATA><TABLEDATA>'


def _end(base: str, chosen: list[SyntheticObservation]) -> str:
    end = f"</TABLEDATA></DATA></TABLE></RESOURCE>{service(links_block(base), 'links')}"
    if chosen:
        limits = [limit * 1e-10 for it in chosen for limit in it.wave_limits]
        end += service(soda_block(base, wave_limits=(min(limits), max(limits))), "proc_svc", "proc_svc")
    return end + "</VOTABLE>"


def _metadata() -> str:
    """Return the response to FORMAT=METADATA (SSAP 1.1, section 4.1.5.2).

    It has the parameters as INPUT, and the columns.
    """
    inputs = "".join(param(f"INPUT:{name}", "") for name in _INPUTS.split())
    table = f'<TABLE name="results">{fields(hidden=True)}{constants("OUTPUT:")}</TABLE>'
    status = '<INFO name="QUERY_STATUS" value="OK">OK</INFO>'
    return f'{HEAD}<RESOURCE type="meta">{status}{inputs}{table}</RESOURCE></VOTABLE>'
