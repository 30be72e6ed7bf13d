import json
import subprocess
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from connectors.sandbox.commands import register
from connectors.sandbox.process import write_ports
from connectors.sandbox.scenario_file import built_in_scenarios
from connectors.sandbox.service import Sandbox
from connectors.sandbox.stock import read_stock
from schemas.errors import OperatorError
from tests.unit.connectors.sandbox.desk_client import SECRET, STOCK, one_platform, shop


def cli() -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    return app


def test_list_scenarios_says_what_there_is() -> None:
    shown = CliRunner().invoke(cli(), ["sandbox", "--list-scenarios"])

    assert shown.exit_code == 0
    for name, description in built_in_scenarios():
        assert name in shown.output
        assert description in shown.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--scenario", "nosuch"], "There is no scenario nosuch"),
        (["--stock", "nosuch.jsonl"], "nosuch.jsonl cannot be read"),
        (["--ports-file", "/nosuch/folder/ports.json"], "cannot be written"),
        (["--host", "192.0.2.1"], "not an address of this machine"),
    ],
)
def test_what_the_operator_can_mend_is_one_sentence(arguments: list[str], sentence: str) -> None:
    failed = CliRunner().invoke(cli(), ["sandbox", *arguments])

    assert isinstance(failed.exception, OperatorError)
    assert sentence in str(failed.exception)


async def test_a_taken_port_is_one_sentence() -> None:
    async with shop(one_platform()) as (_, desk):
        port = desk.base_url.rpartition(":")[2]
        with pytest.raises(OperatorError, match=f"{port} is already in use"):
            async with Sandbox(one_platform(platform=f"port: {port}")):
                pass


def test_the_ports_file_is_whole_or_not_there(tmp_path: Path) -> None:
    write_ports(tmp_path / "ports.json", {"shop": "http://127.0.0.1:1"})

    assert json.loads((tmp_path / "ports.json").read_text()) == {"shop": "http://127.0.0.1:1"}
    assert [path.name for path in tmp_path.iterdir()] == ["ports.json"]


def test_bad_lines_of_the_stock_are_left_out_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "stock.jsonl"
    lines = [
        b'{"id": "1", "title": "good"}',
        b"\xff\xfe",
        b"[]",
        b"",
        b'{"title": "no id"}',
        b'{"id": "2", "platform": "elsewhere"}',
        b'{"id": "3", "price": {"amount": "much"}}',
        b'{"id": "4", "title": "\\ud800"}',
        b'{"id": 5}',
    ]
    path.write_bytes(b"\n".join(lines))

    stock = read_stock(path, ["shop"])

    assert [listing_id for listing_id, _ in stock.rows["shop"]] == ["1", "5"]
    assert [aside.line for aside in stock.set_aside] == [2, 3, 5, 6, 7, 8]
    assert all("no id" not in aside.reason and "much" not in aside.reason for aside in stock.set_aside)


def test_a_stock_without_one_listing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("id,title\n1,x\n")

    with pytest.raises(OperatorError, match="line 1: not JSON"):
        read_stock(path, ["shop"])


async def test_the_first_notice_script_works_as_printed(tmp_path: Path) -> None:
    async with shop(one_platform("{do: silent}"), STOCK[:1]) as (sandbox, desk):
        script = (await desk.http.get(f"{desk.base_url}/first-notice.sh")).text

        async def run() -> str:
            import asyncio

            done = await asyncio.to_thread(
                subprocess.run,
                ["bash", "-c", script],
                cwd=tmp_path,
                env={"SECRET": SECRET, "PATH": "/usr/bin:/bin", "no_proxy": "127.0.0.1"},
                capture_output=True,
                text=True,
                check=True,
            )
            return str(done.stdout)

        first, second = await run(), await run()
        assert "202 Accepted" in first
        assert "idempotent-replayed: true" in second
        assert list(sandbox.journal.effects().values()) == [1]
        # Everything is under an open notice now, so there is nothing left to give as an example.
        assert (await desk.http.get(f"{desk.base_url}/example-notice.json")).status_code == 404
