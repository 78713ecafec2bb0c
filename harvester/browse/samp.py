"""Talk to other programs of the desktop by SAMP 1.3.

Send tables and spectra, and learn which rows are picked.

A table goes as a VOTable file, since receivers read it when they like. Who receives it names it by its ``table-id`` or
its URL when rows are picked, so the DIDs of each table are kept.
"""

from __future__ import annotations

import secrets
import urllib.request
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from ..dataset.stored_files import StoredFile
from ..errors import HarvestError
from ..fits.observation import Observation
from ..formatting import plain_line

if TYPE_CHECKING:
    from astropy.table import Table

TABLE, SPECTRUM, POSITION = "table.load.votable", "spectrum.load.ssa-generic", "coord.pointAt.sky"
ROW, ROWS = "table.highlight.row", "table.select.rowList"
OURS = "harvester:"
"""What the id of each table that we send begins with."""

LOAD_TIMEOUT = 60  # seconds for a receiver to read a table
_DID_COLUMNS = ("did", "id", "obs_publisher_did")


Picked = Callable[[Sequence[str], bool], None]
"""Is called with DIDs, and whether it is one row that was pointed at."""


class NoHubError(Exception):
    """No SAMP hub is running."""


def hub_errors() -> tuple[type[Exception], ...]:
    """Return what a call ends in where the hub has gone."""
    from pyvo.samp import SAMPClientError, SAMPHubError

    return OSError, HTTPException, xmlrpc.client.Error, SAMPClientError, SAMPHubError


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of a message to one receiver; ``problem`` is empty if it took it."""

    receiver: str
    problem: str = ""


class SampLink:
    """A registered client of the user's hub, until ``close``."""

    def __init__(self, name: str, description: str) -> None:
        """Register as ``name``. NoHubError, ImportError without pyvo."""
        from pyvo.samp import SAMPHubError, SAMPIntegratedClient, conf

        metadata = {"samp.name": name, "samp.description.text": description}
        with conf.set_temp("use_internet", False):  # else it looks its own name up; everything is on this machine
            self._client = SAMPIntegratedClient(name=name, description=description, metadata=metadata)
            try:
                self._client.connect()
            except (SAMPHubError, OSError) as error:
                raise NoHubError(str(error)) from error
        self._tables = _Tables()

    def close(self) -> None:
        """Leave the hub, if it is still there."""
        with suppress(*hub_errors()):
            self._client.disconnect()

    def is_alive(self) -> bool:
        """Return whether the hub still answers."""
        with suppress(*hub_errors()):
            self._client.ping()
            return True
        return False

    def receivers(self, mtype: str, to: str | None = None) -> dict[str, str]:
        """Return id and name of the clients that take such messages, or of those called ``to``."""
        clients = self._client.get_subscribed_clients(mtype)
        named = {each: plain_line(str(self._client.get_metadata(each).get("samp.name", each))) for each in clients}
        return {each: name for each, name in named.items() if to is None or to.casefold() in name.casefold()}

    def send_table(self, table: Table, folder: Path, name: str, to: str | None = None) -> list[DeliveryResult]:
        """Write ``table`` into ``folder`` and send it to all who take tables, or to ``to``.

        It has a column ``did``.
        """
        table_id = f"{OURS}{secrets.token_hex(8)}"
        path = folder / f"{table_id.removeprefix(OURS)}.vot"
        table.write(path, format="votable")
        self._tables.add((table_id, path.as_uri()), [str(did) for did in table["did"]])
        return self._call(TABLE, {"url": path.as_uri(), "table-id": table_id, "name": name}, to)

    def send_spectrum(self, path: Path, did: str, name: str, to: str | None = None) -> list[DeliveryResult]:
        """Send one stored spectrum to all who take spectra, or to ``to``."""
        url = path.absolute().as_uri()
        meta = {"Access.Reference": url, "Access.Format": _format_of(path), "DataID.Title": name}
        return self._call(SPECTRUM, {"url": url, "spectrum-id": did, "name": name, "meta": meta}, to)

    def send_observed(self, stored: StoredFile, observed: Observation, to: str | None = None) -> list[DeliveryResult]:
        """Send one stored spectrum, and point at its position if its header has one."""
        sent = self.send_spectrum(Path(stored.path), stored.did, observed.object_name or stored.name, to)
        if observed.ra is not None and observed.dec is not None:
            sent += self.point_at(observed.ra, observed.dec, to)
        return sent

    def point_at(self, ra: float, dec: float, to: str | None = None) -> list[DeliveryResult]:
        """Point at a position (degrees, ICRS) in all programs that show the sky, or in ``to``."""
        return self._call(POSITION, {"ra": str(ra), "dec": str(dec)}, to)

    def _call(self, mtype: str, parameters: Mapping[str, Any], to: str | None) -> list[DeliveryResult]:
        from pyvo.samp import SAMPProxyError

        sent = []
        for client, name in self.receivers(mtype, to).items():
            message = {"samp.mtype": mtype, "samp.params": dict(parameters)}
            try:
                answer = self._client.call_and_wait(client, message, str(LOAD_TIMEOUT))
            except SAMPProxyError as error:
                sent.append(DeliveryResult(name, plain_line(str(error.faultString))))
            else:
                said = answer.get("samp.error", {}).get("samp.errortxt", "it refused")
                sent.append(
                    DeliveryResult(name, "" if answer.get("samp.status") == "samp.ok" else plain_line(str(said)))
                )
        return sent

    def listen(self, picked: Picked) -> None:
        """Call ``picked``, in a thread of the client, when rows are picked elsewhere.

        It may raise HarvestError.

        A table of spectra that another program sends is a pick of all its rows.
        """

        def receive(_: str, __: str, message: str | None, mtype: str, parameters: Any, ___: Any) -> None:
            answer: dict[str, Any] = {"samp.status": "samp.ok", "samp.result": {}}
            try:
                found = self._tables.picked(mtype, parameters)
                if found is not None:
                    picked(found, mtype == ROW)
            except (ValueError, OSError, IndexError, SyntaxError, HarvestError) as error:  # astropy's are IndexErrors
                answer = {"samp.status": "samp.error", "samp.error": {"samp.errortxt": plain_line(str(error))}}
            if message is not None:
                self._client.reply(message, answer)

        for mtype in (TABLE, ROW, ROWS):
            self._client.bind_receive_message(mtype, receive)


@dataclass(slots=True)
class _Tables:
    """The DIDs of the rows of every table that was sent or received, by its id and by its URL."""

    _dids: dict[str, Sequence[str]] = field(default_factory=dict)

    def add(self, keys: Sequence[str], dids: Sequence[str]) -> None:
        self._dids |= {key: dids for key in keys if key}

    def picked(self, mtype: str, parameters: Mapping[str, Any]) -> Sequence[str] | None:
        """Return the DIDs that a message picks; None if it is about other data.

        ValueError, OSError for a table that cannot be read.
        """
        keys = [str(parameters.get(name, "")) for name in ("table-id", "url")]
        if mtype == TABLE:
            dids = dids_of(keys[1])
            self.add(keys, dids)
            return None if keys[0].startswith(OURS) else dids  # `harvester send` tells us which rows it sends
        known = next((self._dids[key] for key in keys if key in self._dids), None)
        if known is None:
            return None
        rows = [parameters.get("row", "")] if mtype == ROW else parameters.get("row-list", [])
        places = [int(row) for row in map(str, rows) if row.isdecimal()]
        return [known[place] for place in places if place < len(known)]


def dids_of(url: str) -> list[str]:
    """Return the column of DIDs of a table on this machine.

    ValueError if it is elsewhere, is no VOTable or has no such column; OSError.
    """
    from astropy.io.votable import parse_single_table

    place = urlparse(url)
    if place.scheme == "file":
        source: Any = open(unquote(place.path), "rb")  # noqa: SIM115, PTH123 - closed below
    elif place.scheme == "http" and place.hostname in ("127.0.0.1", "localhost", "::1"):
        source = urllib.request.urlopen(url, timeout=10)  # noqa: S310 - of this machine
    else:
        raise ValueError(f"{plain_line(url)}: only tables on this machine are read")
    with source:
        table = parse_single_table(source, verify="ignore").to_table()
    found = next((name for name in table.colnames if name.casefold() in _DID_COLUMNS), None)
    if found is None:
        raise ValueError(f"the table has no column {' or '.join(_DID_COLUMNS)}, so its spectra are unknown")
    return [str(did) for did in table[found]]


def _format_of(path: Path) -> str:
    return "application/x-votable+xml" if path.suffix == ".vot" else "application/fits"
