"""What the engineers' page shows is run: each language's public library takes our signature and no other.

Go compiles its HTTP library at first: ``pytest -m long tests/unit/streams/desk/test_engineers.py``.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.signing import sign
from streams.desk.examples import ANSWER, VERIFY
from streams.notices.desk_answer import DeskAnswer

SECRET = "whsec_cHJhY3RpY2Uta2V5LW9mLXByb21wdC4uLi4uLi4uLi4="
OTHER = "whsec_cHJhY3RpY2Uta2V5LW9mLXNsb3cuLi4uLi4uLi4uLi4="
BODY = '{"listing": "Ivoire 象牙 \\u0000"}'.encode()
CODE = {language: code for language, _, code in VERIFY}

PYTHON = """
import json, os, sys
import snippet
snippet.read(json.loads(os.environ["HEADERS"]), os.environ["BODY"].encode())
"""
JAVASCRIPT = """
import { read } from "./snippet.mjs";
read(JSON.parse(process.env.HEADERS), process.env.BODY);
"""
GO = """package takin

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
)

func TestVerify(t *testing.T) {
	var given map[string]string
	if err := json.Unmarshal([]byte(os.Getenv("HEADERS")), &given); err != nil {
		t.Fatal(err)
	}
	headers := http.Header{}
	for name, value := range given {
		headers.Set(name, value)
	}
	if err := Verify(headers, []byte(os.Getenv("BODY"))); err != nil {
		t.Fatal(err)
	}
}
"""


def fetched(words: list[str], folder: Path) -> None:
    """Run a package manager; without its network there is nothing to show."""
    done = subprocess.run(words, check=False, cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"{' '.join(words[:2])} could not fetch the public library: {done.stderr[-300:]}")


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not on this machine")
    return found


def python(folder: Path) -> list[str]:
    (folder / "snippet.py").write_text(CODE["Python"])
    (folder / "run.py").write_text(PYTHON)
    return [sys.executable, "run.py"]


def javascript(folder: Path) -> list[str]:
    node = needs("node")
    (folder / "snippet.mjs").write_text(CODE["JavaScript"])
    (folder / "run.mjs").write_text(JAVASCRIPT)
    flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", "."]
    fetched([needs("npm"), "install", *flags, "standardwebhooks@1.1.1"], folder)
    return [node, "run.mjs"]


def go(folder: Path) -> list[str]:
    program = needs("go")
    (folder / "go.mod").write_text("module takin.example/verify\n\ngo 1.21\n")
    (folder / "snippet.go").write_text(CODE["Go"])
    (folder / "snippet_test.go").write_text(GO)
    fetched([program, "get", "github.com/standard-webhooks/standard-webhooks/libraries/go@v0.0.1"], folder)
    # Compiled once; the run itself is quick.
    subprocess.run([program, "test", "-c", "-o", "verify"], check=True, cwd=folder, capture_output=True)
    return ["./verify"]


@pytest.mark.parametrize(
    "prepared",
    [
        pytest.param(python, id="python"),
        pytest.param(javascript, id="javascript", marks=pytest.mark.slow),
        pytest.param(go, id="go", marks=pytest.mark.long),
    ],
)
def test_the_code_shown_takes_our_signature_and_refuses_every_other(
    prepared: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    words = prepared(tmp_path)
    now = datetime.now(UTC)
    body = BODY

    def verdict(*, secret: str, signed: bytes, sent: bytes) -> tuple[bool, str]:
        headers = sign([SecretStr(secret)], "msg_1", signed, now)
        done = subprocess.run(
            words,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "TAKIN_SECRET": SECRET, "HEADERS": json.dumps(headers), "BODY": sent.decode()},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode == 0, done.stdout + done.stderr

    right, said = verdict(secret=SECRET, signed=body, sent=body)
    forged, of_forged = verdict(secret=OTHER, signed=body, sent=body)
    changed, of_changed = verdict(secret=SECRET, signed=body, sent=body + b" ")

    assert right, said
    assert not forged
    assert not changed
    # It is the signature that was refused, and not a slip of the code.
    assert "no matching signature" in of_forged.lower()
    assert "no matching signature" in of_changed.lower()


def test_every_language_shown_is_run() -> None:
    assert set(CODE) == {"Python", "JavaScript", "Go"}


def test_the_answer_shown_is_one() -> None:
    assert DeskAnswer.model_validate(ANSWER).answer == "restricted"
