"""The politeness receipt: what the archive saw of us, for its operator."""

from __future__ import annotations

from ...formatting import duration, plain_line, plural, size
from ..data.report_data import ReportData
from ..html import Child, definitions, element
from .timeline import meaning_of


def receipt(material: ReportData) -> Child:
    """As summary.json has it, in words."""
    seen = material.record.politeness
    if not seen:
        return element("p", "The run has not written its receipt: it goes on, or it was killed.", class_="note")
    held = [
        f"{plural(told['times'], 'pause')} of {duration(told['seconds'])} {meaning_of(kind)}"
        for kind, told in seen["pauses"].items()
    ]
    ceiling = f"{seen['rate_ceiling']:g} a second" if seen["rate_ceiling"] else "no limit"
    spectra, retries = plural(seen["spectra"], "spectrum", "spectra"), plural(seen["retries"], "retry", "retries")
    pace = f"{seen['average_per_second']:.3g} a second on average, {seen['busiest_second']} in the busiest second"
    first, last = seen["first_request"], seen["last_request"]
    return definitions(
        [
            ("asked", f"{plural(seen['requests'], 'request')} for {spectra}, {retries}"),
            ("of", plain_line(str(seen["host"]), 120)),
            ("as", plain_line(str(seen["user_agent"]), 300)),
            ("between", f"{first} and {last}" if first else "never"),
            ("pace", f"{pace}; allowed: {ceiling}"),
            ("at once", f"{seen['concurrency_ceiling']} requests at most"),
            ("received", size(seen["bytes"])),
            ("held back", ", ".join([*held, plural(seen["slow_downs"], "slow-down")])),
        ]
    )
