"""The guard that ends a child with its parent."""

import signal
import subprocess
import sys

import pytest

from streams.local import die_with_parent


def test_the_program_runs_under_the_guards_own_pid_with_its_arguments() -> None:
    program = "import os, sys; print(os.getpid(), sys.argv[1:])"
    child = subprocess.Popen(
        die_with_parent.command([sys.executable, "-c", program, "a b", "--c"]),
        stdout=subprocess.PIPE,
        text=True,
    )
    output, _ = child.communicate()
    assert output == f"{child.pid} ['a b', '--c']\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PR_SET_PDEATHSIG")
def test_a_parent_that_is_gone_already_ends_it_before_it_begins() -> None:
    command = die_with_parent.command([sys.executable, "-c", "print('began')"])
    not_the_parent = "1"
    command[command.index(die_with_parent.__file__) + 1] = not_the_parent
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


def test_a_program_that_is_not_there_is_said() -> None:
    done = subprocess.run(
        die_with_parent.command(["no-such-program"]), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (127, "no-such-program: No such file or directory\n")
