"""The command line: what is registered, how errors become exit codes, how quickly it starts."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from conftest import Influ
from typer.testing import CliRunner

from stylegan_cli import __version__, cli, errors
from stylegan_cli.commands import common

HEAVY = ("torch", "torchvision", "timm", "cv2", "numpy", "scipy", "onnxruntime", "av", "PIL")

SENTENCE = "the picture is upside down; turn it and try again"


def ending(error: BaseException | None, *arguments: str) -> tuple[int, str]:
    """Exit code and stderr of a command that ends in `error`."""

    def command(size: Annotated[int, typer.Option()] = 1) -> None:
        if error is not None:
            raise error

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(cli.with_shared_options(command))
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PictureError(SENTENCE), 1),
        (errors.UsageError(SENTENCE), 2),
        (errors.OutputExistsError(SENTENCE), 2),
        (errors.PartialFailureError(SENTENCE), 3),
        (errors.InterruptedByUserError(SENTENCE), 130),
    ],
)
def test_an_error_is_one_sentence_and_its_exit_code(error: errors.InfluError, code: int) -> None:
    assert ending(error) == (code, f"influ: {SENTENCE}")


def test_success_is_silent_and_zero() -> None:
    assert ending(None) == (0, "")


def test_an_unexpected_error_says_how_to_see_more() -> None:
    code, said = ending(ZeroDivisionError("division by zero"))
    assert code == 1
    assert "unexpected error: ZeroDivisionError: division by zero; run again with --debug" in said
    assert "Traceback" not in said


def test_debug_shows_where_it_happened() -> None:
    code, said = ending(errors.UsageError(SENTENCE), "--debug")
    assert code == 2
    assert "Traceback" in said
    assert SENTENCE in said


def test_ctrl_c_ends_in_130() -> None:
    assert ending(KeyboardInterrupt()) == (130, "influ: interrupted")


def test_a_missing_libgl_names_its_remedy() -> None:
    message = "libGL.so.1: cannot open shared object file: No such file or directory"
    code, said = ending(ImportError(message))
    assert code == 1
    assert "pip install opencv-python-headless" in said


@pytest.mark.parametrize("wrong", [["--size", "big"], ["--nonsense"], ["--threads", "0"]])
def test_wrong_use_ends_in_two(wrong: list[str]) -> None:
    code, said = ending(None, *wrong)
    assert code == 2
    assert wrong[0] in said


def test_sigterm_is_as_polite_as_ctrl_c(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom stylegan_cli import cli\n"
        "def wait() -> None:\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "sys.modules['stylegan_cli.commands.wait'] = sys.modules['__main__']\n"
        "cli.COMMANDS['wait'] = 'wait:wait'\n"
        "sys.argv[1:] = ['wait']\ncli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=50)
    assert (process.returncode, said) == (130, "influ: interrupted\n")


def test_every_command_explains_itself() -> None:
    app = cli.build_app()
    names = [[name] for name in cli.COMMANDS] + [["styles", name] for name in cli.STYLES_COMMANDS]
    for name in [[], *names]:
        result = CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": "200"})
        assert result.exit_code == 0, name
        if name:
            for option in ("--threads", "--quiet", "--verbose", "--debug"):
                assert option in result.stdout, (name, option)


def test_help_and_completion_load_nothing_heavy(influ: Influ) -> None:
    script = (
        "import sys\nfrom stylegan_cli import cli\nsys.argv[1:] = sys.argv[2:]\n"
        "try:\n    cli.main()\nfinally:\n    print(sorted(sys.modules), file=sys.stderr)\n"
    )
    completing = {"_INFLU_COMPLETE": "complete_bash", "COMP_WORDS": "influ st", "COMP_CWORD": "1"}
    for arguments, environment in ((["--help"], {}), ([], completing)):
        result = subprocess.run(
            [sys.executable, "-c", script, "influ", *arguments],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            check=False,
        )
        loaded = set(re.findall(r"'([^']+)'", result.stderr))
        assert "typer" in loaded
        assert not loaded & set(HEAVY)


def test_the_version_is_the_package_s(influ: Influ) -> None:
    result = influ("--version")
    assert (result.returncode, result.stdout) == (0, f"influ {__version__}\n")


def test_a_reader_that_leaves_causes_no_traceback(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom stylegan_cli import cli\n"
        "def chatter() -> None:\n    [print('line', n) for n in range(100_000)]\n"
        "sys.modules['stylegan_cli.commands.chatter'] = sys.modules['__main__']\n"
        "cli.COMMANDS['chatter'] = 'chatter:chatter'\n"
        "sys.argv[1:] = ['chatter']\ncli.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"line 0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_a_result_reads_well_and_parses(capsys: pytest.CaptureFixture[str]) -> None:
    result = {
        "file": Path("a.jpg"),
        "mean_error": 0.123456,
        "creators": [{"name": "toon"}, {"name": "film"}],
        "notes": [],
    }
    common.emit(result, as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "file        a.jpg",
        "mean error  0.1235",
        "creators    name toon",
        "            name film",
        "notes       -",
    ]
    common.emit(result, as_json=True)
    assert json.loads(capsys.readouterr().out) == result | {"file": "a.jpg"}


@pytest.mark.parametrize(("options", "seen"), [([], False), (["-v"], True), (["-q"], False)])
def test_what_libraries_warn_of_takes_a_v_to_see(options: list[str], seen: bool) -> None:
    script = (
        "import sys, warnings\nfrom stylegan_cli import cli\n"
        "def warn() -> None:\n    warnings.warn('the moon is full')\n"
        "sys.modules['stylegan_cli.commands.warn'] = sys.modules['__main__']\n"
        f"cli.COMMANDS['warn'] = 'warn:warn'\nsys.argv[1:] = ['warn', *{options}]\ncli.main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert ("the moon is full" in result.stderr) == seen


@pytest.mark.parametrize("words", [("-q", "stylize"), ("stylize", "-q")])
def test_quiet_counts_before_the_command_too(
    influ: Influ, photo: Path, words: tuple[str, ...]
) -> None:
    done = influ(*words, photo, "-o", "out.png")
    assert done.returncode == 0
    assert done.stderr == ""


def test_lists_for_people_fit_80_columns(influ: Influ) -> None:
    for words in (("styles",), ("info",)):
        shown = influ(*words, env={**os.environ, "COLUMNS": "80"}).stdout
        lines = [line for line in shown.splitlines() if not line.startswith("file ")]
        assert max(map(len, lines)) <= 80, shown
