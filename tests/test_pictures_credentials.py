import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import c2pa
import pytest
from certificates import write_credentials
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from picture_files import saved, scene

from stylegan_cli.errors import PictureError, UsageError
from stylegan_cli.pictures import AiLabel, Picture, encode_picture, read_picture
from stylegan_cli.pictures.credentials import Credentials, read_credentials, sign_picture

LABEL = AiLabel("influ, style toon", "0.1.0")
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return read_credentials(*write_credentials(tmp_path_factory.mktemp("certificates")))


def manifests(data: bytes, media_type: str) -> dict[str, Any]:
    """What another reader of C2PA finds in a file."""
    with c2pa.Reader(media_type, io.BytesIO(data)) as reader:
        found: dict[str, Any] = json.loads(reader.json())
    return found


@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
        ("HEIF", "image/heic"),
        ("AVIF", "image/avif"),
        ("GIF", "image/gif"),
    ],
)
def test_a_signed_picture_is_valid_and_tells_what_it_was_made_from(
    credentials: Credentials, format: str, media_type: str
) -> None:
    source = saved(scene(), "JPEG")
    data = encode_picture(Picture(scene()), format, ai_label=LABEL)
    signed = sign_picture(data, format, LABEL, credentials, parent=(source, "JPEG"), title="a.jpg")
    found = manifests(signed, media_type)
    # "Trusted" would take a certificate on the trust list of the one who looks.
    assert found["validation_state"] == "Valid"
    manifest = found["manifests"][found["active_manifest"]]
    assert manifest["title"] == "a.jpg"
    assert manifest["signature_info"]["common_name"] == "photographer"
    (actions,) = (a["data"]["actions"] for a in manifest["assertions"] if "actions" in a["label"])
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"] == COMPOSITE
    assert [part["relationship"] for part in manifest["ingredients"]] == ["parentOf"]
    assert "thumbnail" not in json.dumps(found)  # it would show the picture as it was
    again = read_picture(signed)
    assert again.size == (48, 64)
    assert again.xmp == read_picture(data).xmp
    assert len(signed) < len(data) + 20_000


def test_a_change_after_signing_is_found(credentials: Credentials) -> None:
    signed = bytearray(sign_picture(saved(scene(), "PNG"), "PNG", LABEL, credentials))
    place = signed.rindex(b"IDAT") + 40
    signed[place] ^= 1
    assert manifests(bytes(signed), "image/png")["validation_state"] == "Invalid"


def test_credentials_of_the_source_are_carried_on(credentials: Credentials) -> None:
    first = sign_picture(saved(scene(), "JPEG"), "JPEG", LABEL, credentials)
    again = encode_picture(Picture(scene()), "PNG")
    second = sign_picture(again, "PNG", LABEL, credentials, parent=(first, "JPEG"))
    assert len(manifests(second, "image/png")["manifests"]) == 2


def test_a_source_that_carries_none_is_left_unnamed(credentials: Credentials) -> None:
    parent = (saved(scene(), "BMP"), "BMP")
    signed = sign_picture(saved(scene(), "PNG"), "PNG", LABEL, credentials, parent=parent)
    assert manifests(signed, "image/png")["validation_state"] == "Valid"


def test_a_format_that_carries_none_is_refused(credentials: Credentials) -> None:
    with pytest.raises(PictureError, match="BMP can't carry"):
        sign_picture(saved(scene(), "BMP"), "BMP", LABEL, credentials)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(ec.generate_private_key(ec.SECP384R1()), id="P-384"),
        pytest.param(ec.generate_private_key(ec.SECP521R1()), id="P-521"),
        pytest.param(rsa.generate_private_key(65537, 2048), id="RSA"),
    ],
)
def test_every_kind_of_key_that_c2pa_knows_signs(tmp_path: Path, key: Any) -> None:
    found = read_credentials(*write_credentials(tmp_path, key))
    signed = sign_picture(saved(scene(), "PNG"), "PNG", LABEL, found)
    assert manifests(signed, "image/png")["validation_state"] == "Valid"


def test_credentials_that_cannot_sign_are_named_before_any_work(tmp_path: Path) -> None:
    certificate, key = write_credentials(tmp_path)
    with pytest.raises(UsageError, match=r"can't read .*lost\.pem"):
        read_credentials(tmp_path / "lost.pem", key)
    with pytest.raises(UsageError, match="no private key"):
        read_credentials(certificate, certificate)
    (tmp_path / "other").mkdir()
    _, other = write_credentials(tmp_path / "other")
    with pytest.raises(UsageError, match="can't sign"):
        read_credentials(certificate, other)


def test_without_the_extra_the_way_to_it_is_told(tmp_path: Path) -> None:
    certificate, key = write_credentials(tmp_path)
    script = (
        "import sys; sys.modules['c2pa'] = None\n"  # as if it were not installed
        "from stylegan_cli.cli import main; sys.argv = ['influ', *sys.argv[1:]]; main()"
    )
    (tmp_path / "a.png").write_bytes(saved(scene(), "PNG"))
    call = [sys.executable, "-c", script, "stylize", "a.png"]
    call += ["--c2pa-cert", certificate, "--c2pa-key", key]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'stylegan-cli[c2pa]'" in done.stderr
