"""Scripts as real processes, for the tests of the chain, and how small and short these keep it."""

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from importlib import import_module
from pathlib import Path

from scripts.command_line import run as command

ROOT = Path(__file__).parent.parent
QUICK = ["--training.num_epochs", "6", "--training.batch_size", "128"]
SMALL = ["--network.num_members", "1"]  # real people are trained on by the default ensemble


def start(name: str, *words: str | Path) -> subprocess.Popen[str]:
    words_of_it = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, words)]
    return subprocess.Popen(
        words_of_it,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A client that runs in this process has one, which a process of its own would share.
        env={name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
        # Whoever runs the tests in the background has SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run(name: str, *words: str | Path) -> tuple[int, str]:
    process = start(name, *words)
    out, err = process.communicate(timeout=1200)
    assert "Traceback" not in err, err
    return process.returncode, out + err


def called(name: str, *words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same within this process, which has imported everything already; output and errors apart."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), chdir(cwd or Path.cwd()):
        try:
            code = command(getattr(import_module(f"scripts.{name}"), name), [str(word) for word in words])
        except SystemExit as ended:  # of the parser, after --help or a wrong flag
            code = ended.code if isinstance(ended.code, int) else 1
    return subprocess.CompletedProcess([name, *map(str, words)], code, out.getvalue(), err.getvalue())


def call(name: str, *words: str | Path) -> tuple[int, str]:
    """The same, as exit code and all that was said."""
    done = called(name, *words)
    return done.returncode, done.stdout + done.stderr


def findings(out: Path) -> list[dict]:
    return json.loads((out / "validate" / "decision.json").read_text())["findings"]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
