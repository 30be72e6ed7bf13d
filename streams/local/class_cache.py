"""What the embedded broker's JVM loads at its start, loaded once and kept in a file (JEP 514).

``python -m streams.local.class_cache`` makes it beside the jars, with a broker that it starts and stops: some
15 s and 70 MB, after which each broker starts in half the time (2 s instead of 4.4 on two cores). Nothing
needs it: where there is none, where it cannot be made, or where it is damaged, brokers start without.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from schemas.errors import OperatorError
from streams.local.jars import KAFKA_VERSION, alone_in, ensure_jars
from streams.local.java import find_java

log = structlog.get_logger(__name__)

WRITTEN_WITHIN_S = 180.0
"""How long the broker that is stopped may take to write its classes; 8 s on two idle cores."""
UNUSED_AFTER_S = 30 * 86_400.0
"""A cache from which no broker started for so long goes when another is made."""
_FILE = re.compile(r"classes-.+-(?P<jars>[0-9a-f]{16})-[0-9a-f]{64}\.aot")
# On standard output stand the words that say why a broker stopped: a cache's troubles are none of them.
QUIET = "-Xlog:aot*=off,cds*=off"


def find(java: Path, jars: Sequence[Path], options: Sequence[str]) -> Path | None:
    """The cache that was made by this Java with these jars and these options, if it is there and whole.

    Its name ends with its own SHA-256: the JVM ignores a cache that does not fit or is cut short, but it can
    crash on one with a wrong bit in it.
    """
    try:
        for file in _made(java, jars, options):
            with file.open("rb") as content:
                if file.stem.endswith(hashlib.file_digest(content, "sha256").hexdigest()):
                    with contextlib.suppress(OSError):  # the folder may be somebody else's
                        os.utime(file)
                    return file
            log.debug("class_cache_damaged", file=str(file))
    except OSError as error:
        log.debug("class_cache_unreadable", reason=str(error))
    return None


def reading(cache: Path | None) -> tuple[str, ...]:
    """Options of a JVM that starts with ``cache``."""
    return (f"-XX:AOTCache={cache}", QUIET) if cache else ()


def writing(to: Path) -> tuple[str, ...]:
    """Options of a JVM that writes a cache when it ends in good order (by SIGTERM for one).

    Without machine code, which a processor with other instructions could not run.
    """
    return (
        f"-XX:AOTCacheOutput={to}",
        *("-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTAdapterCaching", "-XX:-AOTStubCaching"),
    )


def run_broker(folder: Path, to: Path) -> None:
    """Start a broker in ``folder`` and stop it, so that it writes what it loaded to the file ``to``.

    Raises:
        OperatorError: it does not start; a Java that knows no JEP 514 is one reason.
    """
    from streams.local.kafka import LocalKafka

    async def run() -> None:
        kafka = LocalKafka(folder, classes_to=to)
        await kafka.start()
        await kafka.stop(within_s=WRITTEN_WITHIN_S)

    asyncio.run(run())


def make(
    java: Path,
    jars: Sequence[Path],
    options: Sequence[str],
    *,
    train: Callable[[Path, Path], None] = run_broker,
) -> Path | None:
    """Make the cache beside the jars, unless it is there; else None, and a debug line says why.

    ``train`` gets a folder that it may make and the file to write. Who makes it at the same time waits.
    Caches in that folder of which nobody has a use any more go: those of other jars, and those that no
    broker started with for :data:`UNUSED_AFTER_S`.
    """
    folder = jars[0].parent
    try:
        with alone_in(folder, ".class-cache.lock"):
            if there := find(java, jars, options):
                return there
            for useless in _made(java, jars, options):
                useless.unlink()
            with tempfile.TemporaryDirectory(prefix=".training-", dir=folder) as scratch:
                written = Path(scratch) / "classes.aot"
                train(Path(scratch) / "kafka", written)
                _try_out(written, java, jars, options)
                digest = hashlib.sha256(written.read_bytes()).hexdigest()
                made = written.rename(folder / f"{_name(java, jars, options)}-{digest}.aot")
            _remove_useless(made, jars)
            return made
    except (OSError, OperatorError, subprocess.SubprocessError) as error:
        log.debug("class_cache_not_made", reason=str(error))
        return None


def _remove_useless(made: Path, jars: Sequence[Path]) -> None:
    """Remove the caches beside ``made`` that fit none of the jars there, or were not used for long.

    What goes is a name: a JVM that runs with such a cache has it open and keeps its content until it ends.
    One that found it and has not opened it yet starts without.
    """
    present, long_ago = _jars_digest(jars), time.time() - UNUSED_AFTER_S
    for file in made.parent.iterdir():
        if file == made or not (named := _FILE.fullmatch(file.name)):
            continue
        with contextlib.suppress(OSError):
            if named["jars"] != present or file.stat().st_mtime < long_ago:
                file.unlink()
                log.debug("class_cache_removed", file=str(file))


def _try_out(written: Path, java: Path, jars: Sequence[Path], options: Sequence[str]) -> None:
    """Start a JVM that refuses to start without this cache."""
    subprocess.run(
        [str(java), *options, f"-XX:AOTCache={written}", "-XX:AOTMode=on", "-version"],
        env={"CLASSPATH": os.pathsep.join(map(str, jars))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )


def _made(java: Path, jars: Sequence[Path], options: Sequence[str]) -> list[Path]:
    return sorted(jars[0].parent.glob(f"{_name(java, jars, options)}-*.aot"))


def _name(java: Path, jars: Sequence[Path], options: Sequence[str]) -> str:
    """Kafka's version, Java's, and two digests of what a JVM compares: Java, options and paths; jars."""
    try:
        release = (java.parent.parent / "release").read_text("utf-8")
    except OSError:
        release = ""
    version = re.search(r'^JAVA_VERSION="([\w.+-]+)"', release, re.MULTILINE)
    ours = _digest((release, tuple(options), [str(jar) for jar in jars]))
    return f"classes-{KAFKA_VERSION}-java-{version[1] if version else 'unknown'}-{ours}-{_jars_digest(jars)}"


def _jars_digest(jars: Sequence[Path]) -> str:
    """Of each jar's name, size and time; not of its folder, which others may know by another path."""
    return _digest([(jar.name, (stat := jar.stat()).st_size, stat.st_mtime_ns) for jar in jars])


def _digest(of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:16]


def main() -> None:
    """Fetch the jars, make the cache, and say where it is."""
    from streams.local.kafka import JVM_OPTIONS

    try:
        made = make(find_java(), ensure_jars(), JVM_OPTIONS)
    except OperatorError as error:
        sys.exit(f"takin: {error}")
    said = (
        f"the embedded Kafka starts with {made.name}"
        if made
        else "the embedded Kafka starts without a class cache"
    )
    sys.stdout.write(f"takin: {said}\n")


if __name__ == "__main__":
    main()
