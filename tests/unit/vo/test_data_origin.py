"""Rights and citation from the INFOs of a VOTable, as astropy's own reader of them finds them."""

from __future__ import annotations

import io

from astropy.io import votable
from astropy.io.votable.dataorigin import extract_data_origin

from harvester.vo.data_origin import DataOrigin, data_origin

ANSWER = b"""<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">
<INFO name="publisher" value="GAVO Data Center"/>
<INFO name="creator" value="Doe, J."/>
<INFO name="creator" value="Roe, R."/>
<INFO name="citation" value="ivo://org.gavo.dc/q"/>
<INFO name="rights" value="CC0"/>
<INFO name="rights_uri" value="https://spdx.org/licenses/CC0-1.0.html"/>
<INFO name="reference_url" value="https://dc.g-vo.org/q"/>
<INFO name="QUERY_STATUS" value="OK"/>
<TABLE><FIELD name="a" datatype="int"/></TABLE></RESOURCE></VOTABLE>"""


def test_the_origin_is_what_astropy_reads() -> None:
    (dataset,) = extract_data_origin(votable.parse(io.BytesIO(ANSWER))).origin
    infos = [(info.name, info.value) for info in dataset.infos]
    ours = data_origin([*infos, ("QUERY_STATUS", "OK")])
    assert ours.rights_uri == "https://spdx.org/licenses/CC0-1.0.html"
    assert ours.creator == "Doe, J.; Roe, R."
    assert (ours.citation, ours.rights) == ("ivo://org.gavo.dc/q", "CC0")


def test_infos_that_say_nothing_give_no_origin() -> None:
    assert not data_origin([("QUERY_STATUS", "OK"), ("publisher", "  ")])
    assert data_origin([("Publisher", " A \n B ")]) == DataOrigin(publisher="A B")
    assert data_origin([("publisher", "first"), ("publisher", "second")]).publisher == "first"
