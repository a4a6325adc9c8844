"""Files made and removed safely: whole or not at all, never through a link, never anyone else's."""

from stylegan_cli.runtime.files.folders import OwnFolder
from stylegan_cli.runtime.files.leftovers import tidy
from stylegan_cli.runtime.files.locks import claimed
from stylegan_cli.runtime.files.reading import (
    check_archive,
    open_regular,
    parse_json,
    path_inside,
    read_text,
)
from stylegan_cli.runtime.files.sealing import SEAL, read_sealed, sealed, unsealed
from stylegan_cli.runtime.files.writing import (
    check_target,
    draft_beside,
    explained,
    make_folder,
    move_into_place,
    write_atomically,
)

__all__ = [
    "SEAL",
    "OwnFolder",
    "check_archive",
    "check_target",
    "claimed",
    "draft_beside",
    "explained",
    "make_folder",
    "move_into_place",
    "open_regular",
    "parse_json",
    "path_inside",
    "read_sealed",
    "read_text",
    "sealed",
    "tidy",
    "unsealed",
    "write_atomically",
]
