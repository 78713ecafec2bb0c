"""Archives that differ from Ondrejov's in kind, on loopback, over spectra of the demo's making.

Stock DaCHS: RELATIVE and UNCALIBRATED alone, DIDs with a path behind a question mark. Plain files: Content-Length,
ETag, half of them ``.fits.gz``. Linked ones: the access URL is a datalink document, the files lie on another host.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web

from harvester.demo.fits import Value, original_fits
from harvester.demo.observations import observe
from harvester.demo.responses import DemoResponse, not_found, usage_error
from harvester.demo.soda import RefusedError, read_request
from harvester.demo.votables import HEAD, param, row, service
from harvester.demo.votables import field as column
from harvester.model.target import SpectrumId

COUNT = 12
NAMES = [f"f{8751 + number:05d}.fits" for number in range(COUNT)]
DIDS = [SpectrumId(f"ivo://org.gavo.dc/~?feros/data/{name}") for name in NAMES]
BY_NAME = dict(zip(NAMES, DIDS, strict=True))
DATALINK = "application/x-votable+xml;content=datalink"
_LIST = {
    "accref": "ssa:Access.Reference",
    "mime": "ssa:Access.Format",
    "ssa_pubDID": "ssa:Curation.PublisherDID",
    "ssa_targname": "ssa:Target.Name",
}
_LINKS = ("ID", "access_url", "service_def", "error_message", "semantics", "content_type")
_FAULTS = {3: "NotFoundFault: it was withdrawn", 5: "FatalFault: the tape is torn"}


@dataclass
class OtherArchive:
    """Where it serves, how often each path was asked for, and what is the matter with which spectrum."""

    port: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    packed: frozenset[str] = frozenset(NAMES[::2])
    faults: dict[int, str] = field(default_factory=_FAULTS.copy)
    busy: int | None = 1

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def files(self) -> str:
        """The same server under another host's name."""
        return f"http://localhost:{self.port}/files"

    def application(self) -> web.Application:
        application = web.Application()
        for path, handler in {
            "/feros/q/ssa/ssap.xml": self._stock_list,
            "/feros/q/sdl/dlget": self._dlget,
            "/plain/ssap": self._plain_list,
            "/plain/{name}": self._file,
            "/linked/ssap": self._linked_list,
            "/links/{name}": self._links,
            "/files/{name}": self._file,
        }.items():
            application.router.add_get(path, handler)
        return application

    # ---- stock DaCHS

    async def _stock_list(self, request: web.Request) -> web.Response:
        rows = [(f"{self.base}/getproduct/{name}", mime) for name in NAMES for mime in ("image/fits", "text/xml")]
        inputs = [
            param("ID", "", ref="ssa_pubDID"),
            param("FLUXCALIB", "", _options("RELATIVE", "UNCALIBRATED")),
            param("BAND", "", datatype="double", arraysize="2", unit="m"),
            param("FORMAT", "", _options("application/fits", "text/csv", "application/x-votable+xml")),
        ]
        about = param("standardID", "ivo://ivoa.net/std/SODA#sync-1.0")
        about += param("accessURL", f"{self.base}/feros/q/sdl/dlget")
        soda = service(f'{about}<GROUP name="inputParams">{"".join(inputs)}</GROUP>', "soda")
        return self._listed(request, rows, 2, soda)

    async def _dlget(self, request: web.Request) -> web.Response:
        self.asked[request.path] += 1
        parameters = parse_qsl(request.rel_url.raw_query_string, keep_blank_values=True)
        wanted = dict(parameters).get("FLUXCALIB", "RELATIVE")
        if wanted not in ("RELATIVE", "UNCALIBRATED"):
            return _sent(usage_error(f"Field FLUXCALIB: {wanted!r} is not a valid value for FLUXCALIB"))
        try:
            return _sent(read_request(parameters, lambda did: did in DIDS).answer())
        except RefusedError as refused:
            return _sent(refused.answer)

    # ---- plain files

    async def _plain_list(self, request: web.Request) -> web.Response:
        rows = [(f"{self.base}/plain/{name}{'.gz' * (name in self.packed)}", "image/fits") for name in NAMES]
        return self._listed(request, rows, 1)

    async def _file(self, request: web.Request) -> web.Response:
        """A file as any web server sends it; the second is gone, the packed third is cut off on the disk."""
        self.asked[request.path] += 1
        name = request.match_info["name"].removesuffix(".gz")
        if name == NAMES[1] and request.path.startswith("/plain/"):
            return _sent(not_found(name))
        body = original_fits(observe(BY_NAME[name]))
        if request.path.endswith(".gz"):
            body = gzip.compress(body)
            body = body[:-2000] if name == NAMES[2] else body
        tag = hashlib.blake2b(body, digest_size=8).hexdigest()
        return web.Response(body=body, headers={"ETag": f'"{tag}"', "Accept-Ranges": "bytes"})

    # ---- datalink documents

    async def _linked_list(self, request: web.Request) -> web.Response:
        return self._listed(request, [(f"{self.base}/links/{name}", DATALINK) for name in NAMES], 1)

    async def _links(self, request: web.Request) -> web.Response:
        """One says at its first two requests that it is busy; two say for ever what is the matter."""
        self.asked[request.path] += 1
        name = request.match_info["name"]
        number = NAMES.index(name)
        busy = number == self.busy and self.asked[request.path] <= 2
        fault = "TransientFault: back soon" if busy else self.faults.get(number, "")
        rows = [[DIDS[number], f"{self.files}/{name}.png", "", "", "#preview", "image/png"]]
        file = ["", "", fault] if fault else [f"{self.files}/{name}", "", ""]
        rows.append([DIDS[number], *file, "#this", "" if fault else "image/fits"])
        return web.Response(text=_table((column(name, "char") for name in _LINKS), rows), content_type="text/xml")

    def _listed(
        self, request: web.Request, addresses: list[tuple[str, str]], each: int, more: str = ""
    ) -> web.Response:
        """An SSAP answer: for each spectrum so many rows, of which as many as MAXREC allows."""
        dids = [did for did in DIDS for _ in range(each)]
        rows = [
            [*address, did, observe(did).star.name]
            for address, did in list(zip(addresses, dids, strict=True))[: int(request.query["MAXREC"])]
        ]
        columns = (column(name, "char", utype=utype) for name, utype in _LIST.items())
        unit = param("ssa_spectralunit", "Angstrom", utype="ssa:Char.SpectralAxis.Unit")
        return web.Response(text=_table([*columns, unit], rows, more), content_type="text/xml")


def _table(columns: Iterable[str], rows: Iterable[Iterable[Value]], more: str = "") -> str:
    data = f"<DATA><TABLEDATA>{''.join(map(row, rows))}</TABLEDATA></DATA>"
    return f'{HEAD}<RESOURCE type="results"><TABLE>{"".join(columns)}{data}</TABLE></RESOURCE>{more}</VOTABLE>'


def _options(*values: str) -> str:
    options = "".join(f'<OPTION value="{value}"/>' for value in values)
    return f"<VALUES>{options}</VALUES>"


def _sent(answer: DemoResponse) -> web.Response:
    headers = {"Content-Type": answer.content_type, **answer.headers}
    return web.Response(body=answer.body, status=answer.status, headers=headers)


@asynccontextmanager
async def other_archive() -> AsyncIterator[OtherArchive]:
    archive = OtherArchive()
    runner = web.AppRunner(archive.application(), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        archive.port = runner.addresses[0][1]
        yield archive
    finally:
        await runner.cleanup()
