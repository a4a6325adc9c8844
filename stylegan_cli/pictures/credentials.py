"""Content Credentials: results signed with the user's own certificate, as C2PA has it."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from stylegan_cli.errors import PictureError, UsageError, messages
from stylegan_cli.pictures.provenance import COMPOSITE, AiLabel

_MEDIA_TYPES: Final = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "TIFF": "image/tiff",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
    "GIF": "image/gif",
}
# Nothing is fetched from the network, and no thumbnail shows the picture as it was.
_SETTINGS: Final = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate chain and its private key, both PEM, and the algorithm they sign with."""

    chain: bytes
    key: bytes
    algorithm: str


def read_credentials(certificate: Path, key: Path) -> Credentials:
    """The certificate chain (the signer's first) and the private key, tried out.

    Raises UsageError where the extra is missing, or the files can't be read or used for signing.
    """
    try:
        import c2pa  # noqa: F401
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise UsageError(
            "signing takes an extra that is missing here: pip install 'stylegan-cli[c2pa]'"
        ) from error
    blocks = []
    for path in (certificate, key):
        try:
            blocks.append(path.read_bytes())
        except OSError as error:
            raise UsageError(
                messages.cannot_read(path, messages.why(error), "check the name")
            ) from error
    try:
        opened = load_pem_private_key(blocks[1], None)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"{key} contains no private key in PEM without a password: convert it with openssl pkey"
        ) from error
    credentials = Credentials(blocks[0], blocks[1], _algorithm(opened))
    try:
        _signed(_TRIAL, "image/gif", {"title": "trial"}, credentials, None)
    except Exception as error:  # c2pa's own exceptions derive from nothing narrower
        raise UsageError(
            f"{certificate} and {key} can't sign ({error}): C2PA asks for a chain of certificates "
            "whose first one belongs to the key and may sign documents or mail"
        ) from error
    return credentials


def sign_picture(
    data: bytes,
    format: str,
    label: AiLabel,
    credentials: Credentials,
    *,
    parent: tuple[bytes, str] | None = None,
    title: str = "",
) -> bytes:
    """The bytes of a picture file with a signed record of how it came about.

    format: "JPEG", ...; parent: the bytes and format of the picture it was made from, which is
    named by its hash, with credentials of its own if it has some. Raises PictureError.
    """
    if format not in _MEDIA_TYPES:
        raise PictureError(f"{format} can't carry C2PA credentials: use --format jpg or png")
    action = {
        "action": "c2pa.edited",
        "softwareAgent": {"name": label.system, "version": label.version},
        "digitalSourceType": COMPOSITE,
    }
    manifest: dict[str, Any] = {
        "title": title,
        "claim_generator_info": [{"name": label.system, "version": label.version}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    if parent is not None and parent[1] not in _MEDIA_TYPES:
        parent = None
    try:
        return _signed(data, _MEDIA_TYPES[format], manifest, credentials, parent)
    except Exception as error:  # as above
        raise PictureError(
            f"the result can't be signed ({error}): leave --c2pa-cert and --c2pa-key out"
        ) from error


def _signed(
    data: bytes,
    media_type: str,
    manifest: dict[str, Any],
    credentials: Credentials,
    parent: tuple[bytes, str] | None,
) -> bytes:
    import c2pa

    info = c2pa.C2paSignerInfo(credentials.algorithm, credentials.chain, credentials.key, None)
    result = io.BytesIO()
    with (
        c2pa.Context.from_dict(_SETTINGS) as context,
        c2pa.Signer.from_info(info) as signer,
        c2pa.Builder(manifest, context) as builder,
    ):
        if parent is None:
            builder.set_intent(
                c2pa.C2paBuilderIntent.CREATE,
                c2pa.C2paDigitalSourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA,
            )
        else:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
            builder.add_ingredient(
                {"title": "source", "relationship": "parentOf"},
                _MEDIA_TYPES[parent[1]],
                io.BytesIO(parent[0]),
            )
        builder.sign(signer, media_type, io.BytesIO(data), result)
    return result.getvalue()


def _algorithm(key: object) -> str:
    """What C2PA calls the way this key signs. Raises UsageError for a kind it does not take."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size in (256, 384, 521):
        return {256: "es256", 384: "es384", 521: "es512"}[key.curve.key_size]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise UsageError("C2PA takes keys on P-256, P-384, P-521 or Ed25519, or RSA: make one of these")


# The smallest picture there is to sign: a GIF of one pixel.
_TRIAL: Final = b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
