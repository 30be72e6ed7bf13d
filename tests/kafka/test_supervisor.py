"""The supervisor over real child processes."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from schemas.errors import OperatorError
from streams.local.ports import free_port
from streams.local.service import Service
from streams.local.supervisor import Supervisor
from tests.support.processes import is_gone, wait_for_text


def _python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", textwrap.dedent(program), *arguments)


SLEEPER = _python(
    """
    import signal, sys, time
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    time.sleep(100)
    """
)
DEAF = _python(
    """
    import signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open(sys.argv[1], "w").close()
    time.sleep(100)
    """
)


def _file_exists(path: Path) -> Callable[[], Awaitable[bool]]:
    return lambda: asyncio.to_thread(path.exists)


@pytest.fixture
def said() -> list[str]:
    return []


def _supervisor(
    tmp_path: Path, said: list[str], *services: Service, stop_within_s: float = 20.0
) -> Supervisor:
    return Supervisor(services, log_dir=tmp_path / "logs", say=said.append, stop_within_s=stop_within_s)


async def _until(question: Callable[[], bool], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_a_service_starts_only_when_what_it_needs_is_ready_and_stops_before_it(
    tmp_path: Path, said: list[str]
) -> None:
    ready = tmp_path / "ready"
    first = Service("first", SLEEPER, ready=_file_exists(ready))
    second = Service("second", SLEEPER, needs=("first",))
    supervisor = _supervisor(tmp_path, said, second, first)
    starting = asyncio.create_task(supervisor.start())
    await _until(lambda: bool(said))
    await asyncio.sleep(0.3)
    assert [line.split(":")[0] for line in said] == ["first"]

    ready.touch()
    await starting
    assert supervisor.is_ready("second")
    await supervisor.stop()
    events = [line for line in said if "stopped" in line or "started" in line]
    assert [line.partition(" (")[0] for line in events] == [
        "first: started",
        "second: started",
        "second: stopped",
        "first: stopped",
    ]


async def test_a_health_url_says_when_a_service_is_ready(tmp_path: Path, said: list[str]) -> None:
    answers = [503, 503, 200]

    async def health(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(health, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/health"
    async with _supervisor(tmp_path, said, Service("a", SLEEPER, ready=url)):
        assert answers == [200]
    server.close()


async def test_a_killed_service_comes_back_after_a_second_with_a_new_process(
    tmp_path: Path, said: list[str]
) -> None:
    async with _supervisor(tmp_path, said, Service("a", SLEEPER), Service("b", SLEEPER)) as supervisor:
        before, neighbour = supervisor.pid_of("a"), supervisor.pid_of("b")
        assert before is not None
        killed_at = time.monotonic()
        os.kill(before, signal.SIGKILL)
        await _until(lambda: supervisor.pid_of("a") not in (None, before))

        assert time.monotonic() - killed_at >= 1.0
        assert supervisor.pid_of("b") == neighbour
        assert any(line.startswith("a: was ended by SIGKILL") for line in said)


async def test_where_no_process_can_be_made_it_is_tried_again_until_one_can(
    tmp_path: Path, said: list[str]
) -> None:
    async with _supervisor(tmp_path, said, Service("a", SLEEPER)) as supervisor:
        pid = supervisor.pid_of("a")
        assert pid is not None
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        os.kill(pid, signal.SIGKILL)
        await _until(lambda: supervisor.pid_of("a") is None)
        os.close(lowest := os.dup(0))
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            await _until(lambda: any("could not be started (Too many open files)" in one for one in said))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await _until(lambda: supervisor.pid_of("a") is not None)
        assert supervisor.pid_of("a") != pid


async def test_a_service_that_lives_and_answers_nothing_is_killed_and_comes_back(
    tmp_path: Path, said: list[str]
) -> None:
    port = free_port()
    server = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    service = Service("web", server, ready=f"http://127.0.0.1:{port}/", frozen_after_s=3.0)

    async with _supervisor(tmp_path, said, service) as supervisor:
        first = supervisor.pid_of("web")
        assert first is not None
        await asyncio.sleep(4)
        assert supervisor.pid_of("web") == first, "a service that answers is left alone"
        os.kill(first, signal.SIGSTOP)
        await _until(lambda: supervisor.is_ready("web") and supervisor.pid_of("web") not in (None, first), 20)

    assert any("answered nothing for 3 s" in line for line in said)


async def test_a_service_that_keeps_failing_is_started_ever_more_slowly(
    tmp_path: Path, said: list[str]
) -> None:
    failing = Service("a", _python("import sys; sys.stderr.write('no luck\\n'); sys.exit(1)"))
    async with _supervisor(tmp_path, said, failing):
        await _until(lambda: sum("starts again" in line for line in said) == 3)

    again = [line for line in said if "starts again" in line]
    assert ["in 1 s (no luck)" in again[0], "in 2 s" in again[1], "in 4 s" in again[2]] == [True] * 3


async def test_an_operators_error_at_the_start_stops_all_and_is_the_sentence(
    tmp_path: Path, said: list[str]
) -> None:
    wrong = Service(
        "wrong",
        _python(
            "import sys; sys.stderr.write('noise\\ntakin: The file x is missing: give one.\\n'); sys.exit(2)"
        ),
        ready=_file_exists(tmp_path / "never"),
        needs=("fine",),
    )
    supervisor = _supervisor(tmp_path, said, Service("fine", SLEEPER), wrong)
    with pytest.raises(OperatorError) as error:
        await supervisor.start()

    assert str(error.value) == "The file x is missing: give one."
    assert supervisor.pid_of("fine") is None
    assert "fine: stopped" in said


async def test_an_operators_error_after_it_was_ready_is_tried_again(tmp_path: Path, said: list[str]) -> None:
    """A service that finds the broker away for a while must not take everything down."""
    ready = tmp_path / "ready"
    program = f"import sys, time; open({str(ready)!r}, 'w'); time.sleep(0.5); sys.exit(2)"
    service = Service("a", _python(program), ready=_file_exists(ready))
    async with _supervisor(tmp_path, said, service):
        await _until(lambda: sum("started" in line for line in said) == 2)


async def test_what_is_not_ready_in_time_is_said_with_its_last_words(tmp_path: Path, said: list[str]) -> None:
    slow = Service(
        "slow",
        _python(
            "import sys, time; print('still\\x1b[2J thinking', file=sys.stderr, flush=True); time.sleep(100)"
        ),
        ready=_file_exists(tmp_path / "never"),
        ready_within_s=1.0,
    )
    supervisor = _supervisor(tmp_path, said, slow)
    with pytest.raises(
        OperatorError, match=r"slow was not ready within 1 s; its last words: still\\x1b\[2J thinking"
    ):
        await supervisor.start()
    assert supervisor.pid_of("slow") is None


async def test_a_service_that_does_not_stop_is_killed(tmp_path: Path, said: list[str]) -> None:
    ready = tmp_path / "ready"
    deaf = Service("deaf", (*DEAF, str(ready)), ready=_file_exists(ready))
    supervisor = _supervisor(tmp_path, said, deaf, stop_within_s=0.5)
    await supervisor.start()
    pid = supervisor.pid_of("deaf")
    assert pid is not None
    await supervisor.stop()

    assert is_gone(pid)
    assert "deaf: did not stop within 0 s and was killed" in said


async def test_what_a_service_started_ends_with_it(tmp_path: Path, said: list[str]) -> None:
    child_pid = tmp_path / "child-pid"
    parent = _python(
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(100)"])
        open(sys.argv[1], "w").write(f"{child.pid}.")
        time.sleep(100)
        """,
        str(child_pid),
    )
    async with _supervisor(tmp_path, said, Service("a", parent)) as supervisor:
        grandchild = int((await asyncio.to_thread(wait_for_text, child_pid, ".")).rstrip("."))
        pid = supervisor.pid_of("a")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await asyncio.to_thread(is_gone, grandchild)


async def test_a_service_that_is_done_is_not_started_again(tmp_path: Path, said: list[str]) -> None:
    work = Service("work", _python("print('read 7 listings')"), once=True)
    async with _supervisor(tmp_path, said, work) as supervisor:
        await asyncio.wait_for(supervisor.finished("work"), 5)
        await asyncio.wait_for(supervisor.run(), 5)
        assert supervisor.pid_of("work") is None

    assert (tmp_path / "logs" / "work.log").read_text() == "read 7 listings\n"
    assert sum("started" in line for line in said) == 1


async def test_what_needs_a_piece_of_work_waits_until_it_is_done(tmp_path: Path, said: list[str]) -> None:
    """As services need ``takin topics apply``."""
    work = Service("topics", _python("import time; time.sleep(0.5)"), once=True)
    endless = Service("feed", SLEEPER, once=True, needs=("topics",))
    async with _supervisor(
        tmp_path, said, endless, work, Service("a", SLEEPER, needs=("topics",))
    ) as supervisor:
        assert supervisor.pid_of("feed") is not None
        events = [line.split(" (")[0].split(" after")[0] for line in said]
        assert events[:2] == ["topics: started", "topics: done"]
        assert sorted(events[2:4]) == ["a: started", "feed: started"]


async def test_cancelling_the_run_leaves_services_to_an_orderly_stop(tmp_path: Path, said: list[str]) -> None:
    marker = tmp_path / "stopped-in-order"
    orderly = _python(
        """
        import signal, sys, time
        def leave(*_):
            open(sys.argv[1], "w").close()
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        print("up", flush=True)
        time.sleep(100)
        """,
        str(marker),
    )
    async with _supervisor(tmp_path, said, Service("a", orderly)) as supervisor:
        await asyncio.to_thread(wait_for_text, tmp_path / "logs" / "a.log", "up")
        running = asyncio.create_task(supervisor.run())
        await asyncio.sleep(0.1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert supervisor.pid_of("a") is not None
    assert marker.exists()


def test_no_service_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    program = """
        import asyncio, sys
        from pathlib import Path
        from streams.local.service import Service
        from streams.local.supervisor import Supervisor

        async def main():
            argv = (sys.executable, "-S", "-c", "import time; print('up', flush=True); time.sleep(100)")
            services = [Service(name, argv) for name in "abc"]
            async with Supervisor(services, log_dir=Path(sys.argv[1]), say=lambda _: None) as supervisor:
                print(*(supervisor.pid_of(name) for name in "abc"), flush=True)
                await supervisor.run()

        asyncio.run(main())
    """
    killed = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout is not None
    pids = [int(pid) for pid in killed.stdout.readline().split()]
    killed.stdout.close()
    assert len(pids) == 3
    for name in "abc":
        wait_for_text(tmp_path / f"{name}.log", "up")

    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert [is_gone(pid) for pid in pids] == [True] * 3


async def test_a_program_that_is_not_there_is_said(tmp_path: Path, said: list[str]) -> None:
    missing = Service(
        "a", ("no-such-program-here",), ready=_file_exists(tmp_path / "never"), ready_within_s=2
    )
    with pytest.raises(OperatorError, match="no-such-program-here: No such file or directory"):
        await _supervisor(tmp_path, said, missing).start()
