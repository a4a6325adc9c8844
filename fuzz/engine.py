"""One target under Atheris, which follows the code's coverage; for `make fuzz` and OSS-Fuzz.

python -m fuzz.engine TARGET [options and corpus folders of libFuzzer]
"""

import sys
import warnings

import atheris

with atheris.instrument_imports(include=["stylegan_cli"]):
    from fuzz.targets import targets
    from stylegan_cli.errors import InfluError


def run(name: str, arguments: list[str]) -> None:
    """Fuzz until told to stop. arguments: libFuzzer's, after the program's own name."""
    target = targets()[name]
    warnings.simplefilter("ignore")

    def read(data: bytes) -> None:
        try:
            target.read(data)
        except InfluError as error:
            if "\n" in str(error):
                raise AssertionError("more than one sentence") from error

    atheris.Setup([f"fuzz_{name}", *arguments], read)
    atheris.Fuzz()


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
