"""JSON that knows whether it is whole: the last entry is the SHA-256 over all the others."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stylegan_cli.errors import InfluError, messages
from stylegan_cli.runtime.files.reading import MAX_TEXT, parse_json, read_text

SEAL = "sha256"


def sealed(document: Mapping[str, Any], **layout: Any) -> str:
    """A document as JSON with its seal. layout: of `json.dumps`."""
    return json.dumps({**document, SEAL: _sum_of(document)}, **layout)


def unsealed(
    text: str | bytes, wrong: type[InfluError], source: str, remedy: str = messages.COPY_AGAIN
) -> dict[str, Any]:
    """The document that was sealed. Raises `wrong`, which names `source`, for anything else."""
    document = parse_json(text, wrong, source)
    if document.pop(SEAL, None) != _sum_of(document):
        raise wrong(f"{source} is not as influ wrote it: it is damaged or was changed; {remedy}")
    return document


def read_sealed(
    path: Path, wrong: type[InfluError], remedy: str, *, max_bytes: int = MAX_TEXT
) -> dict[str, Any]:
    """The sealed document in a file, as `read_text` reads it. Raises `wrong`, FileNotFoundError."""
    return unsealed(read_text(path, wrong, max_bytes=max_bytes), wrong, str(path), remedy)


def _sum_of(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
