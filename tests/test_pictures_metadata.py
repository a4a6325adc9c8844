"""Metadata is bytes to keep: only what would be wrong or tell too much is changed."""

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from picture_files import saved, scene
from PIL import Image

from stylegan_cli.pictures import Kept, Metadata, Picture, encode_picture, read_picture
from stylegan_cli.pictures.metadata.directories import Directory, packed
from stylegan_cli.pictures.metadata.exif import with_srgb
from stylegan_cli.pictures.metadata.iptc import iptc_of, resources_of
from stylegan_cli.pictures.metadata.metadata import upright, without_place
from stylegan_cli.pictures.metadata.xmp import IPTC_EXT, parse, value_of

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
REGION_AREA = "http://ns.adobe.com/xmp/sType/Area#"


def entry(order: str, tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0")


def camera_block(order: str) -> bytes:
    """EXIF with what rebuilding loses: UTF-8 text, a UserComment, a signed exposure, a GPS IFD."""
    number = lambda n: struct.pack(order + "I", n)  # noqa: E731
    short = lambda n: struct.pack(order + "H", n)  # noqa: E731
    artist, comment = "Zoë\0".encode(), b"UNICODE\0" + "ü".encode("utf-16-be")
    exposure = struct.pack(order + "ii", -1, 3)
    main_at, detail_at, place_at, values_at = 8, 8 + 2 + 48 + 4, 8 + 54 + 54, 8 + 54 + 54 + 18
    values = artist + bytes(1) + exposure + comment + b"secret maker note.  "
    at = [values_at, values_at + 6, values_at + 14, values_at + 14 + len(comment)]
    main = short(4) + entry(order, 0x0112, 3, 1, short(6))
    main += entry(order, 0x013B, 2, len(artist), number(at[0]))
    main += entry(order, 0x8769, 4, 1, number(detail_at))
    main += entry(order, 0x8825, 4, 1, number(place_at)) + number(0)
    detail = short(4) + entry(order, 0x9204, 10, 1, number(at[1]))
    detail += entry(order, 0x927C, 7, 20, number(at[3]))
    detail += entry(order, 0x9286, 7, len(comment), number(at[2]))
    detail += entry(order, 0xA002, 3, 1, short(64)) + number(0)
    place = short(1) + entry(order, 1, 2, 2, b"N\0") + number(0)
    mark = b"II" if order == "<" else b"MM"
    return mark + short(42) + number(main_at) + main + detail + place + values


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF", "JPEG2000", "JPEGXL"])
def test_every_byte_of_exif_that_is_not_at_fault_stays(order: str, format: str) -> None:
    block = camera_block(order)
    picture = read_picture(saved(scene(), "JPEG", exif=b"Exif\0\0" + block))
    assert picture.size == (64, 48)
    again = read_picture(encode_picture(picture, format)).metadata.exif
    assert again is not None
    assert len(again) == len(block)
    assert "Zoë".encode() in again
    assert b"UNICODE\0" + "ü".encode("utf-16-be") in again
    assert struct.pack(order + "ii", -1, 3) in again
    assert b"secret" not in again
    shown = Image.Exif()
    shown.load(again)
    assert shown[0x0112] == 1
    assert shown.get_ifd(0x8769)[0xA002] == 48
    assert not shown.get_ifd(0x8825)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_carries_the_same_exif(order: str) -> None:
    picture = read_picture(saved(scene(), "JPEG", exif=b"Exif\0\0" + camera_block(order)))
    data = encode_picture(picture, "TIFF", kept=Kept(gps=True))
    assert data[:2] == (b"II" if order == "<" else b"MM")
    shown = Image.open(io.BytesIO(data))
    assert shown.size == (48, 64)
    assert shown.getexif().get_ifd(0x8769)[0x9204] == -1 / 3
    assert shown.getexif().get_ifd(0x8825)[1] == "N"
    again = read_picture(data)
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert again.metadata.exif is not None
    assert "Zoë".encode() in again.metadata.exif


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_passes_on_every_directory_of_its_exif(order: str) -> None:
    interoperability = Directory([(1, 2, 4, b"R98\0"), (2, 7, 4, b"0100")], {})
    exposure = (0x829A, 5, 1, struct.pack(order + "II", 1, 30))
    details = Directory([exposure], {0xA005: interoperability})
    place = Directory([(1, 2, 2, b"N\0")], {})
    main = Directory([(0x013B, 2, 5, "Zoë\0".encode())], {0x8769: details, 0x8825: place})
    block = b"Exif\0\0" + packed(order, main)
    picture = read_picture(encode_picture(read_picture(saved(scene(), "JPEG", exif=block)), "TIFF"))
    again = picture.metadata.exif
    assert again is not None
    shown = Image.Exif()
    shown.load(again)
    assert "Zoë".encode() in again
    assert shown.get_ifd(0x8769)[0x829A] == 1 / 30
    assert shown.get_ifd(0xA005) == {1: "R98", 2: b"0100"}
    assert not shown.get_ifd(0x8825)


def test_the_primaries_of_a_tiff_go_along_until_its_colours_are_others() -> None:
    white = (318, 5, 2, struct.pack("<4I", 3127, 10000, 329, 1000))
    block = b"Exif\0\0" + packed("<", Directory([white], {}))
    picture = read_picture(encode_picture(read_picture(saved(scene(), "JPEG", exif=block)), "TIFF"))
    assert picture.metadata.exif is not None
    shown = Image.Exif()
    shown.load(picture.metadata.exif)
    assert shown[318] == (0.3127, 0.329)
    other = with_srgb(picture.metadata.exif)
    assert other is not None
    shown.load(other)
    assert 318 not in shown


def packet(inside: str, attributes: str = "") -> bytes:
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        f'<rdf:Description rdf:about="" {attributes}>{inside}</rdf:Description>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16"])
def test_the_place_is_found_whatever_the_prefix_and_the_encoding(encoding: str) -> None:
    told = packet(
        "<q:GPSLatitude>52,31N</q:GPSLatitude><p:City>Bergen</p:City><p:Credit>me&#10;too</p:Credit>",
        'xmlns:q="http://ns.adobe.com/exif/1.0/" xmlns:p="http://ns.adobe.com/photoshop/1.0/" '
        'p:State="Vestland" p:Instructions="one&#10;two"',
    )
    xmp = told.decode().encode(encoding)
    metadata = upright(Metadata(xmp=xmp), (48, 64), 1)
    left = {
        kept: without_place(metadata, kept).xmp or b""
        for kept in (Kept(), Kept(gps=True), Kept(place=True), Kept(True, True))
    }
    for kept, block in left.items():
        assert (b"52,31N" in block) == kept.gps
        assert (b"Bergen" in block) == (b"Vestland" in block) == kept.place
        document = parse(block)
        assert document is not None
        namespace = "http://ns.adobe.com/photoshop/1.0/"
        assert value_of(document, namespace, "Credit") == "me\ntoo"
        assert value_of(document, namespace, "Instructions") == "one\ntwo"


@pytest.mark.parametrize(
    "xmp",
    [
        b"<rdf:RDF>no namespace</rdf:RDF>",
        b"<x>GPSLatitude=52</x",
        b'<!DOCTYPE a [<!ENTITY b "c">]>' + packet("&b;"),
        packet("<a>" * 3000 + "</a>" * 3000),
    ],
    ids=["undeclared", "cut", "entities", "deep"],
)
def test_xmp_that_cannot_be_parsed_is_dropped_and_said(
    xmp: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        picture = read_picture(saved(scene(), "JPEG", xmp=xmp))
    assert picture.xmp is None
    assert "XMP" in caplog.text


REGIONS = (
    "<r:RegionList><rdf:Bag><rdf:li rdf:parseType='Resource'>"
    "<r:Area rdf:parseType='Resource'><a:x>0.25</a:x><a:y>0.3</a:y><a:w>0.1</a:w><a:h>0.2</a:h>"
    "</r:Area></rdf:li></rdf:Bag></r:RegionList>"
)


@pytest.mark.parametrize(
    ("orientation", "x", "y", "w"),
    [(1, 0.25, 0.3, 0.1), (2, 0.75, 0.3, 0.1), (3, 0.75, 0.7, 0.1), (4, 0.25, 0.7, 0.1),
     (5, 0.3, 0.25, 0.2), (6, 0.7, 0.25, 0.2), (7, 0.7, 0.75, 0.2), (8, 0.3, 0.75, 0.2)],
)  # fmt: skip
def test_regions_turn_with_the_picture(orientation: int, x: float, y: float, w: float) -> None:
    names = 'xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/" '
    elements = packet(REGIONS, f'{names} xmlns:a="{REGION_AREA}"')
    attributes = packet(
        '<r:Area a:x="0.25" a:y="0.3" a:w="0.1" a:h="0.2"/>', f'{names} xmlns:a="{REGION_AREA}"'
    )
    for xmp in (elements, attributes):
        turned = upright(Metadata(xmp=xmp), (48, 64), orientation).xmp
        document = parse(turned or b"")
        assert document is not None
        seen = [value_of(document, REGION_AREA, name) for name in ("x", "y", "w")]
        assert [float(value or 0) for value in seen] == pytest.approx([x, y, w])
    across, down = (64, 48) if orientation < 5 else (48, 64)
    for unit, right, bottom, scale in (
        ("relative", 1, 1, (1, 1)),
        ("pixel", 64, 48, (across, down)),
    ):
        xmp = packet(
            f'<i:RegionBoundary i:rbUnit="{unit}" i:rbX="{0.2 * right}" i:rbY="{0.2 * bottom}" '
            f'i:rbW="{0.1 * right}" i:rbH="{0.2 * bottom}"/>',
            f'xmlns:i="{IPTC_EXT}"',
        )
        document = parse(upright(Metadata(xmp=xmp), (48, 64), orientation).xmp or b"")
        assert document is not None
        left, top, wide, high = (
            float(value_of(document, IPTC_EXT, name) or 0) for name in ("rbX", "rbY", "rbW", "rbH")
        )
        middle = ((left + wide / 2) / scale[0], (top + high / 2) / scale[1], wide / scale[0])
        assert middle == pytest.approx((x, y, w))


def test_a_region_lies_where_the_face_went() -> None:
    pixels = scene()
    exif = Image.Exif()
    exif[0x0112] = 6
    names = (
        f'xmlns:r="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:a="{REGION_AREA}"'
    )
    told = packet('<r:Area a:x="0.125" a:y="0.125" a:w="0.25" a:h="0.25"/>', names)
    stored = saved(pixels, "JPEG", exif=exif.tobytes(), xmp=told, quality=95)
    picture = read_picture(stored)
    document = parse(picture.xmp or b"")
    assert document is not None
    x, y = (float(value_of(document, REGION_AREA, name) or 0) for name in ("x", "y"))
    height, width = picture.size
    face = picture.pixels[int(y * height), int(x * width)]
    assert np.abs(face.astype(int) - pixels[6, 8]).max() < 40  # the red corner of the scene


def iptc(*datasets: tuple[int, bytes]) -> bytes:
    return b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value for number, value in datasets
    )


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG", "JPEG2000"])
def test_iptc_is_kept_without_places(format: str) -> None:
    resources = resources_of(iptc((25, b"alps"), (90, b"Bergen"), (116, b"(c) Jane")))
    picture = Picture(scene(), metadata=Metadata(resources=resources))
    plain = read_picture(encode_picture(picture, format)).metadata.resources
    assert iptc_of(plain or b"") == iptc((25, b"alps"), (116, b"(c) Jane"))
    told = encode_picture(picture, format, kept=Kept(place=True))
    assert read_picture(told).metadata.resources == resources


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "BMP"])
def test_the_resolution_is_kept(format: str) -> None:
    picture = read_picture(saved(scene(), format, dpi=(300, 200)))
    again = Image.open(io.BytesIO(encode_picture(picture, format)))
    assert again.info["dpi"] == pytest.approx((300, 200), abs=0.02)


@pytest.mark.parametrize(("dpi", "is_said"), [(300, True), (96, False)])
def test_a_resolution_that_does_not_fit_is_said(
    caplog: pytest.LogCaptureFixture, dpi: int, is_said: bool
) -> None:
    picture = read_picture(saved(scene(), "JPEG", dpi=(dpi, dpi)))
    encode_picture(picture, "WEBP")
    assert ("can't hold the resolution of 300 dpi" in caplog.text) == is_said


def test_text_of_png_and_comments_are_kept() -> None:
    chunk = b"parameters\0a cat, Steps: 20"
    body = struct.pack(">I", len(chunk)) + b"tEXt" + chunk
    body += struct.pack(">I", zlib.crc32(b"tEXt" + chunk))
    data = saved(scene(), "PNG")
    again = encode_picture(read_picture(data[:33] + body + data[33:]), "PNG")
    assert Image.open(io.BytesIO(again)).info["parameters"] == "a cat, Steps: 20"
    for format in ("JPEG", "GIF"):
        noted = read_picture(saved(scene(), format, comment=b"by hand"))
        assert Image.open(io.BytesIO(encode_picture(noted, format))).info["comment"] == b"by hand"


def test_what_the_format_cannot_hold_is_said(caplog: pytest.LogCaptureFixture) -> None:
    metadata = Metadata(resources=resources_of(iptc((25, b"alps"))), comment=b"by hand")
    with caplog.at_level(logging.WARNING):
        encode_picture(Picture(scene(), metadata=metadata), "WEBP", name="a.webp")
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "a.webp: WEBP can't hold IPTC, which is left out",
        "a.webp: WEBP can't hold the comment, which is left out",
    ]


def test_transparency_and_depth_that_do_not_fit_are_said(caplog: pytest.LogCaptureFixture) -> None:
    deep = scene().astype(np.uint16) * 257
    with caplog.at_level(logging.WARNING):
        encode_picture(Picture(deep, deep[..., 0].copy()), "JPEG", name="a.jpg")
        encode_picture(Picture(deep, np.full_like(deep[..., 0], 65535)), "PNG", name="b.png")
    assert [record.getMessage() for record in caplog.records] == [
        "a.jpg: JPEG can't hold transparency, which is left out",
        "a.jpg: JPEG can't hold more than 8 bits, which is left out",
    ]


@pytest.mark.parametrize("behind", [b"....ftypmp42", b"\0\0\x30\x0aMotionPhoto_Data...SEFT"])
def test_a_clip_behind_a_photo_is_said_whatever_the_metadata_say(
    behind: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        read_picture(saved(scene(), "JPEG"))
        assert caplog.text == ""
        read_picture(saved(scene(), "JPEG") + behind)
    assert "clip of this motion photo is left out" in caplog.text


def test_a_motion_photo_loses_its_clip_and_the_claim(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    claim = packet("", 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" '
                       'GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="9"')  # fmt: skip
    path = tmp_path / "motion.jpg"
    path.write_bytes(saved(scene(), "JPEG", xmp=claim) + b"ftyp clip")
    with caplog.at_level(logging.WARNING):
        data = encode_picture(read_picture(path), "JPEG")
    assert "clip of this motion photo is left out" in caplog.text
    assert b"ftyp clip" not in data
    assert b"MotionPhoto" not in data
    assert b"MicroVideo" not in data
