"""What each service says of itself: VOSI availability and capabilities (VOSI 1.1, sections 3 and 4)."""

from __future__ import annotations

from datetime import datetime

from .answers import XML, Answer

_STYLE = "<?xml version='1.0' encoding='utf-8'?>\n<?xml-stylesheet href='/static/xsl/vosi.xsl' type='text/xsl'?>\n"
_INTERFACES = {
    "ivo://ivoa.net/std/SSA": ("base", "ssa/ssap.xml?"),
    "ivo://ivoa.net/std/SODA#sync-1.0": ("base", "sdl/dlget"),
    "ivo://ivoa.net/std/DataLink#links-1.0": ("base", "sdl/dlmeta"),
    "ivo://ivoa.net/std/VOSI#availability": ("full", "{service}/availability"),
    "ivo://ivoa.net/std/VOSI#capabilities": ("full", "{service}/capabilities"),
}


def availability(since: datetime) -> Answer:
    """Available ``since`` the server started; DaCHS says so with its database down, too."""
    space = 'xmlns:avl="http://www.ivoa.net/xml/VOSIAvailability/v1.0"'
    said = f"<avl:available>true</avl:available><avl:upSince>{since:%Y-%m-%dT%H:%M:%SZ}</avl:upSince>"
    return Answer(f"{_STYLE}<avl:availability {space}>{said}</avl:availability>".encode(), XML)


def capabilities(service: str, base: str) -> Answer:
    """The interfaces of ``service`` (ssa or sdl), and a header by which DaCHS asks for a password that nobody needs."""
    kinds = {
        standard: interface for standard, interface in _INTERFACES.items() if (service, standard[-3:]) != ("sdl", "SSA")
    }
    listed = "".join(
        f'<capability standardID="{standard}"><interface role="std" xsi:type="vs:ParamHTTP">'
        f'<accessURL use="{use}">{base}/ccd700/q/{path.format(service=service)}</accessURL></interface></capability>'
        for standard, (use, path) in kinds.items()
    )
    spaces = (
        'xmlns:cap="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    )
    document = f"{_STYLE}<cap:capabilities {spaces}>{listed}</cap:capabilities>"
    return Answer(document.encode(), XML, headers={"WWW-Authenticate": 'Basic realm="X-Unconfigured"'})
