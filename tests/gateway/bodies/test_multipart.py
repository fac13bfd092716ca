"""multipart/form-data byte for byte as urllib3 writes it, which is what ``requests`` sends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3 import encode_multipart_formdata
from urllib3.fields import RequestField

from gateway.bodies.multipart import Part

BOUNDARY = "0123456789abcdef"
WORDS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from('\r\n"%;=\\é'), max_size=20
)
PARTS = st.builds(
    Part, WORDS, st.binary(max_size=50), st.none() | WORDS, st.sampled_from([None, "image/png"])
)


def reference(part: Part) -> bytes:
    field = RequestField(part.name, part.data, part.filename)
    field.make_multipart(content_type=part.content_type)
    return encode_multipart_formdata([field], BOUNDARY)[0]


@settings(max_examples=500, derandomize=True, deadline=None)
@given(PARTS)
def test_a_part_is_written_as_urllib3_writes_it(part: Part) -> None:
    written = f"--{BOUNDARY}\r\n".encode() + part.encode() + f"--{BOUNDARY}--\r\n".encode()
    assert written == reference(part)
