import io
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import saved, scene
from PIL import Image

from stylegan_cli.pictures import (
    FORMATS,
    AiLabel,
    Frame,
    Metadata,
    Picture,
    encode_picture,
    read_picture,
)

LABEL = AiLabel("influ, style toon", "0.1.0, base 0123")
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
CAPTURED = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<r:Description r:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    b"e:DigitalSourceType='http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture'>"
    b"<dc:title>kept &amp; whole</dc:title></r:Description></r:RDF></x:xmpmeta>"
    b'<?xpacket end="w"?>'
)


def fields(xmp: bytes | None) -> dict[str, list[str]]:
    """Every IPTC extension field, by a real XML parser that knows nothing of prefixes."""
    assert xmp is not None
    found: dict[str, list[str]] = {}
    for element in ET.fromstring(xmp).iter(RDF + "Description"):
        for name, value in element.items():
            found.setdefault(name, []).append(value)
        for child in element:
            found.setdefault(child.tag, []).append(child.text or child.get(RDF + "resource") or "")
    return {name.removeprefix(EXT): value for name, value in found.items()}


def described(xmp: bytes, value: str) -> bytes:
    """An XMP block with one IPTC field in the place of `value`."""
    return xmp.replace(b"<dc:title>", f"{value}<dc:title>".encode())


@pytest.mark.parametrize("format", [name for name, kind in FORMATS.items() if kind.xmp])
def test_every_format_with_xmp_says_that_a_network_changed_the_picture(format: str) -> None:
    data = encode_picture(Picture(scene()), format, ai_label=LABEL)
    assert fields(read_picture(data).xmp) == {
        RDF + "about": [""],
        "DigitalSourceType": [SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia"],
        "AISystemUsed": ["influ, style toon"],
        "AISystemVersionUsed": ["0.1.0, base 0123"],
    }
    assert read_picture(encode_picture(Picture(scene()), format)).xmp is None


@pytest.mark.parametrize("format", ["PNG", "WEBP", "GIF", "AVIF"])
def test_animations_say_so_too(format: str) -> None:
    frames = tuple(Frame(np.roll(scene(), 9 * i, axis=1), None, 80) for i in range(3))
    data = encode_picture(Picture(scene(), frames=frames), format, ai_label=LABEL)
    again = read_picture(data)
    assert len(again.frames) == 3
    assert fields(again.xmp)["AISystemUsed"] == [LABEL.system]


def test_sixteen_bits_say_so_too() -> None:
    for format in ("PNG", "TIFF", "HEIF"):
        deep = Picture(scene().astype(np.uint16) * 257)
        again = read_picture(encode_picture(deep, format, ai_label=LABEL))
        assert again.pixels.dtype == np.uint16
        assert fields(again.xmp)["AISystemUsed"] == [LABEL.system]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_the_sources_xmp_is_merged_and_the_camera_no_longer_its_only_source(format: str) -> None:
    picture = read_picture(saved(scene(), "JPEG", xmp=CAPTURED))
    xmp = fields(read_picture(encode_picture(picture, format, ai_label=LABEL)).xmp)
    assert xmp["{http://purl.org/dc/elements/1.1/}title"] == ["kept & whole"]
    assert xmp["DigitalSourceType"] == [SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia"]
    assert xmp[RDF + "about"] == ["uuid:1", "uuid:1"]  # one picture, not two


@pytest.mark.parametrize(
    "said",
    [
        '<e:DigitalSourceType>{}</e:DigitalSourceType><e:AISystemUsed>A "B"</e:AISystemUsed>',
        '<e:DigitalSourceType r:resource="{}"/><e:AISystemUsed r:type="x">A "B"</e:AISystemUsed >',
    ],
)
def test_a_generated_picture_stays_generated_and_its_system_named(said: str) -> None:
    bare = CAPTURED.replace(b"e:DigitalSourceType=", b"e:Event=")
    xmp = described(bare, said.format(SOURCE_TYPE + "trainedAlgorithmicMedia"))
    if "r:resource" in said:
        xmp = xmp.replace(b"r:", b"rdf:")
    once = LABEL.merged_into(xmp.replace(b"xmlns:r=", b"xmlns:rdf=") if b"rdf:" in xmp else xmp)
    twice = LABEL.merged_into(once)
    for found in (fields(once), fields(twice)):
        assert found["DigitalSourceType"] == [SOURCE_TYPE + "trainedAlgorithmicMedia"]
        assert found["AISystemUsed"] == ['A "B"; influ, style toon']
        assert found["AISystemVersionUsed"] == ["0.1.0, base 0123"]


def test_xmp_in_sixteen_bit_text_is_merged() -> None:
    for encoding in ("utf-16", "utf-16-be"):
        xmp = LABEL.merged_into(CAPTURED.decode().encode(encoding))
        assert fields(xmp)["{http://purl.org/dc/elements/1.1/}title"] == ["kept & whole"]


def test_xmp_too_long_for_one_segment_of_a_jpeg_goes_into_several() -> None:
    xmp = described(CAPTURED, "<dc:rights>" + "x" * 164900 + "</dc:rights>")
    picture = Picture(scene(), metadata=Metadata(xmp=xmp))
    data = encode_picture(picture, "JPEG", ai_label=LABEL)
    again = fields(read_picture(data).xmp)
    assert again["AISystemUsed"] == [LABEL.system]
    assert again["{http://purl.org/dc/elements/1.1/}rights"] == ["x" * 164900]
    # What a reader finds that knows nothing of extended XMP.
    assert fields(Image.open(io.BytesIO(data)).info["xmp"])["AISystemUsed"] == [LABEL.system]


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(max_size=40),
    junk=st.binary(max_size=60),
    place=st.integers(0, len(CAPTURED)),
)
def test_any_name_and_any_damage_leave_a_label_that_reads(
    name: str, junk: bytes, place: int
) -> None:
    label = AiLabel(name, "1")
    (written,) = fields(label.merged_into(CAPTURED))["AISystemUsed"]
    assert set(written) <= set(name)
    assert written == name or not name.isprintable()
    damaged = CAPTURED[:place] + junk + CAPTURED[place:]
    merged = label.merged_into(damaged)
    assert quoteattr(SOURCE_TYPE + "compositeWithTrainedAlgorithmicMedia").encode() in merged


def test_a_gif_with_xmp_opens_elsewhere() -> None:
    data = encode_picture(Picture(scene()), "GIF", ai_label=LABEL)
    image = Image.open(io.BytesIO(data))
    image.load()
    assert image.size == (64, 48)
    plain = encode_picture(Picture(scene()), "GIF")
    np.testing.assert_array_equal(read_picture(data).pixels, read_picture(plain).pixels)
