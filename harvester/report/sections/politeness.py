"""The politeness report: the load that the run put on the archive, for its operator."""

from __future__ import annotations

from ...formatting import duration, plain_line, plural, size
from ..data.report_data import ReportData
from ..html import Child, definitions, element
from .timeline import meaning_of


def politeness(data: ReportData) -> Child:
    """Return the report of summary.json as a list."""
    report = data.record.politeness
    if not report:
        text = "The run has not written its politeness report: it is still active or was killed."
        return element("p", text, class_="note")
    pauses = [
        f"{plural(pause['times'], 'pause')} of {duration(pause['seconds'])} ({meaning_of(kind)})"
        for kind, pause in report["pauses"].items()
    ]
    limit = f"{report['rate_ceiling']:g} per second" if report["rate_ceiling"] else "no limit"
    spectra, retries = plural(report["spectra"], "spectrum", "spectra"), plural(report["retries"], "retry", "retries")
    rate = f"{report['average_per_second']:.3g} per second on average, {report['busiest_second']} in the busiest second"
    first, last = report["first_request"], report["last_request"]
    return definitions(
        [
            ("requests", f"{plural(report['requests'], 'request')} for {spectra}, {retries}"),
            ("to", plain_line(str(report["host"]), 120)),
            ("User-Agent", plain_line(str(report["user_agent"]), 300)),
            ("between", f"{first} and {last}" if first else "never"),
            ("rate", f"{rate}; limit: {limit}"),
            ("concurrency", f"{plural(report['concurrency_ceiling'], 'request')} at most"),
            ("received", size(report["bytes"])),
            ("pauses", ", ".join([*pauses, plural(report["slow_downs"], "slow-down")])),
        ]
    )
