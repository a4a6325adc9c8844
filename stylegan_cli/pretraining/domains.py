"""The pictures of pre-training, by domain."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stylegan_cli.errors import DataError
from stylegan_cli.pictures import find_own_pictures

Domains = Mapping[str, Sequence[Path]]
"""Pictures by the folder that they are from."""


def pictures_by_domain(folders: list[Path]) -> dict[str, list[Path]]:
    """The pictures of each folder; a folder of folders counts as one domain per sub-folder.

    Raises DataError for a folder without pictures.
    """
    domains: dict[str, list[Path]] = {}
    for folder in folders:
        inside = {f"{folder.name}/{sub.name}": find_own_pictures(sub, recursive=True)
                  for sub in sorted(folder.iterdir()) if sub.is_dir()}  # fmt: skip
        inside[folder.name] = find_own_pictures(folder)
        found = {name: paths for name, paths in inside.items() if paths}
        if not found:
            raise DataError(f"{folder} contains no pictures; name a folder of photos")
        domains |= found
    return domains


def split_domains(domains: Domains) -> tuple[Domains, Domains]:
    """Training and validation pictures: every twentieth picture of each domain is held out.

    Raises DataError where too few pictures are left.
    """
    train = {name: [p for i, p in enumerate(paths) if i % 20] for name, paths in domains.items()}
    count = sum(map(len, train.values()))
    if count < 8:
        raise DataError(f"pre-training needs at least 10 pictures, got {count}; add more photos")
    held_out = {name: paths[::20] for name, paths in domains.items()}
    return {name: paths for name, paths in train.items() if paths}, held_out
