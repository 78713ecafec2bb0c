"""The politeness report: the load that the run put on the archive, for its operator."""

from __future__ import annotations

from ...formatting import duration, plain_line, plural, size
from ..data.report_data import ReportData
from ..html import Child, definitions, element
from .timeline import meaning_of


def politeness(data: ReportData) -> Child:
    """Return the report of summary.json as a list."""
    seen = data.record.politeness
    if not seen:
        text = "The run has not written its politeness report: it is still active or was killed."
        return element("p", text, class_="note")
    pauses = [
        f"{plural(pause['times'], 'pause')} of {duration(pause['seconds'])} ({meaning_of(kind)})"
        for kind, pause in seen["pauses"].items()
    ]
    limit = f"{seen['rate_ceiling']:g} per second" if seen["rate_ceiling"] else "no limit"
    spectra, retries = plural(seen["spectra"], "spectrum", "spectra"), plural(seen["retries"], "retry", "retries")
    rate = f"{seen['average_per_second']:.3g} per second on average, {seen['busiest_second']} in the busiest second"
    first, last = seen["first_request"], seen["last_request"]
    return definitions(
        [
            ("requests", f"{plural(seen['requests'], 'request')} for {spectra}, {retries}"),
            ("to", plain_line(str(seen["host"]), 120)),
            ("User-Agent", plain_line(str(seen["user_agent"]), 300)),
            ("between", f"{first} and {last}" if first else "never"),
            ("rate", f"{rate}; limit: {limit}"),
            ("concurrency", f"{seen['concurrency_ceiling']} requests at most"),
            ("received", size(seen["bytes"])),
            ("pauses", ", ".join([*pauses, plural(seen["slow_downs"], "slow-down")])),
        ]
    )
