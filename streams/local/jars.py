"""The jars of a pinned Apache Kafka: fetched once, checked before every start.

``kafka-jars.lock`` names every jar by its Maven coordinate with its SHA-256 and no address: where a
jar comes from is the business of ``jgo`` (Maven Central unless its own settings say otherwise), what
it must be is ours. ``python -m streams.local.jars`` writes the lock anew after a change of version.
"""

import contextlib
import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import OperatorError

KAFKA_VERSION = "4.1.0"
BROKER = ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)
# Kafka 4.1 still speaks slf4j 1.7, so its log needs this binding and not log4j-slf4j2-impl. It is
# added by itself, not resolved together with the broker: jgo takes every root for a bill of
# materials, and log4j's would put kafka-clients 3.8.0 under a 4.1.0 broker.
LOG_BINDING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")
LOCK_FILE = Path(__file__).with_name("kafka-jars.lock")
DOWNLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True, order=True)
class Jar:
    """One jar as it must be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Name under which the jar is kept."""
        return f"{self.artifact}-{self.version}.jar"


def cache_dir() -> Path:
    """Folder that all runs share: ``TAKIN_CACHE_DIR``, else ``takin`` in the user's cache folder."""
    if given := os.environ.get("TAKIN_CACHE_DIR"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "takin"


def read_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """The jars that the lock file names.

    Raises:
        OperatorError: a line is not ``sha256  group:artifact:version``.
    """
    jars = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            sha256, coordinate = line.split()
            group, artifact, version = coordinate.split(":")
            if len(sha256) != 64 or int(sha256, 16) < 0:
                raise ValueError(sha256)
        except ValueError as error:
            raise OperatorError(
                f"Line {number} of {path.name} is not a checksum and a coordinate: restore the file."
            ) from error
        jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def write_lock(jars: Sequence[Jar], path: Path = LOCK_FILE) -> None:
    """Write the lock file, sorted, so that a change of one jar is a change of one line."""
    head = f"# Apache Kafka {KAFKA_VERSION} and all it needs; made by: python -m streams.local.jars\n"
    lines = [f"{jar.sha256}  {jar.group}:{jar.artifact}:{jar.version}\n" for jar in sorted(jars)]
    path.write_text(head + "".join(lines), "utf-8")


def ensure_jars(
    folder: Path | None = None, *, lock: Path = LOCK_FILE, offline: bool = False
) -> tuple[Path, ...]:
    """Every jar of the lock, present in ``folder`` and with the right checksum; fetches what is not.

    Processes that call this at the same time wait for each other.

    Raises:
        OperatorError: a jar is missing or damaged and cannot be fetched.
    """
    jars = read_lock(lock)
    folder = folder or cache_dir() / f"kafka-{KAFKA_VERSION}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with alone_in(folder):
            wrong = [jar for jar in jars if _sha256(folder / jar.file_name) != jar.sha256]
            if wrong:
                _fetch(wrong, folder, offline=offline)
    except OSError as error:
        raise OperatorError(
            f"The Kafka jars cannot be kept in {folder} ({error.strerror or error}): "
            "make room there or set TAKIN_CACHE_DIR to another folder."
        ) from error
    return tuple(folder / jar.file_name for jar in jars)


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def alone_in(folder: Path, lock: str = ".lock") -> Iterator[None]:
    """Wait until nobody else is in here with the file ``lock`` of ``folder``, and keep others waiting."""
    with (folder / lock).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(wrong: Sequence[Jar], folder: Path, *, offline: bool) -> None:
    """Download into a staging folder, check, and only then move into place."""
    try:
        from jgo.maven import MavenContext
    except ImportError as error:
        raise OperatorError(
            f"{len(wrong)} Kafka jars have to be fetched, but the Python package jgo is missing: "
            "install takin[local], or point KAFKA_BOOTSTRAP_SERVERS at a Kafka of your own."
        ) from error
    with tempfile.TemporaryDirectory(prefix=".staging-", dir=folder) as staging:
        maven = MavenContext(
            repo_cache=Path(staging), remote_repos=_repositories(), timeout=30, offline=offline
        )

        def fetch(jar: Jar) -> None:
            try:
                artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
                fetched = Path(artifact.resolve())
            except Exception as error:  # jgo promises no family of errors; each means "not got"
                raise OperatorError(
                    f"The Kafka jar {jar.file_name} is missing or damaged and could not be fetched: "
                    "check the network, or point KAFKA_BOOTSTRAP_SERVERS at a Kafka of your own."
                ) from error
            if _sha256(fetched) != jar.sha256:
                raise OperatorError(
                    f"The Kafka jar {jar.file_name} was fetched but its checksum is not the one in "
                    f"{LOCK_FILE.name}: it was altered on its way, so it is not used."
                )
            fetched.replace(folder / jar.file_name)

        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            for done in [pool.submit(fetch, jar) for jar in wrong]:
                done.result()


def _repositories() -> dict[str, str]:
    """Where jgo looks: Maven Central after whatever mirrors the user's own jgo settings name."""
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL

    return {**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL}


def resolve(folder: Path) -> tuple[Jar, ...]:
    """Resolve the broker afresh, download every jar into ``folder`` and take its checksum.

    This is where trust begins: read the difference before committing the new lock file.
    """
    from jgo.maven import MavenContext
    from jgo.parse import Coordinate

    maven = MavenContext(repo_cache=folder, remote_repos=_repositories(), timeout=30)
    given, brought = maven.resolver.resolve([maven.create_dependency(Coordinate(*BROKER, scope="compile"))])
    artifacts = [d.artifact for d in (*given, *brought) if d.scope in ("compile", "runtime")]
    group, name, version = LOG_BINDING
    artifacts.append(maven.project(group, name).at_version(version).artifact())
    jars = []
    for artifact in artifacts:
        sha256 = _sha256(Path(artifact.resolve()))
        assert sha256 is not None
        jars.append(Jar(artifact.groupId, artifact.artifactId, artifact.version, sha256))
    if len({jar.file_name for jar in jars}) != len(jars):
        raise OperatorError("Two Kafka jars have one file name: they cannot be kept in one folder.")
    return tuple(jars)


def main() -> None:
    """Write the lock file anew."""
    with tempfile.TemporaryDirectory() as folder:
        jars = resolve(Path(folder))
    write_lock(jars)
    sys.stdout.write(f"{LOCK_FILE}: {len(jars)} jars\n")


if __name__ == "__main__":
    main()
