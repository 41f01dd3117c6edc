"""How a program ended, told from inside: real interpreters."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, os, signal, sys, threading
from clearq.sdk.exits import ExitWatch
def tell():
    outcome = watch.outcome()
    os.write(2, f"OUTCOME {outcome.status}|{outcome.reason}|{outcome.exit_code}".encode())
watch = ExitWatch(tell)
watch.install()
"""


def ends(code: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM + code], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr.rpartition("OUTCOME ")[2]


@pytest.mark.parametrize(
    ("code", "exit_code", "outcome"),
    [
        ("pass", 0, "completed||0"),
        ("sys.exit()", 0, "completed||0"),
        ("sys.exit(3)", 3, "failed|exited with code 3|3"),
        ("sys.exit('bad')", 1, "failed|exited with code 1|1"),
        ("raise ValueError('boom\\nmore')", 1, "failed|ValueError: boom|1"),
        ("raise KeyboardInterrupt", -2, "stopped|interrupted by Ctrl-C|130"),
        ("try: sys.exit(3)\nexcept SystemExit: pass", 0, "completed||0"),
        ("try: sys.exit(3)\nexcept SystemExit as e: pass\nsys.exit(0)", 0, "completed||0"),
        ("def f():\n  try: sys.exit(4)\n  finally: print('x')\nf()", 4, "failed|exited with code 4|4"),
        ("os.kill(os.getpid(), signal.SIGTERM)\nwhile True: pass", 143, "stopped|ended by SIGTERM|143"),
        ("threading.Thread(target=lambda: 1/0).start()", 0, "completed||0"),
        ("import argparse; argparse.ArgumentParser().parse_args(['--x'])", 2, "failed|exited with code 2|2"),
        ("watch.stop('asked')\nwhile True: pass", 143, "stopped|asked|143"),
    ],
)
def test_outcomes(code: str, exit_code: int, outcome: str) -> None:
    assert ends(code) == (exit_code, outcome)


def test_a_handler_of_the_program_stays() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(signal.SIGTERM, lambda *a: print('mine'))\n"
            + PROGRAM
            + "os.kill(os.getpid(), signal.SIGTERM)",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "mine\n"
    assert done.stderr.endswith("OUTCOME completed||0")


def test_a_forked_child_tells_nothing() -> None:
    code, said = ends("if os.fork() == 0: sys.exit(0)\nos.wait()")
    assert (code, said) == (0, "completed||0")


def test_removed_leaves_everything_as_it_was() -> None:
    code = (
        "before = sys.excepthook, sys.exit\nwatch.remove()\n"
        "assert sys.exit is not before[1] and sys.excepthook is sys.__excepthook__\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\nos.write(2, b'OUTCOME fine')"
    )
    assert ends(code) == (0, "fine")
