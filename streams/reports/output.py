"""Gives a report out: on the terminal, or as a file in one of its forms."""

import os
import sys
import tempfile
from pathlib import Path
from typing import Literal

from schemas.errors import OperatorError
from streams.reports.document import Document

Form = Literal["table", "json", "csv", "pdf"]
FORMS: tuple[Form, ...] = ("table", "json", "csv", "pdf")


def form_of(wanted: str | None, output: Path | None, *, as_json: bool = False) -> Form:
    """The form that the options ask for: named, or by the file's ending; else a table.

    Raises:
        OperatorError: there is no such form, or a PDF would go to the terminal.
    """
    form: Form
    if wanted is not None:
        found = next((one for one in FORMS if one == wanted.lower()), None)
        if found is None:
            raise OperatorError(f"--format {wanted!r} is none: use {', '.join(FORMS)}.")
        form = found
    elif as_json:
        form = "json"
    elif output is None:
        form = "table"
    else:
        form = next((one for one in FORMS if output.suffix.lower() == f".{one}"), "json")
    if form == "pdf" and output is None:
        raise OperatorError("A PDF needs a file: name one with --output FILE.")
    return form


def render(document: Document, form: Form, *, font: Path | None = None) -> bytes:
    """The report in that form."""
    match form:
        case "json":
            return document.to_json().encode()
        case "csv":
            return document.to_csv().encode()
        case "pdf":
            from streams.reports.pdf import pdf

            return pdf(document, font=font)
        case _:
            return f"{document.to_text()}\n\nchecksum {document.checksum}\n".encode()


def give(document: Document, form: Form, output: Path | None, *, font: Path | None = None) -> None:
    """Write the file whole or not at all; without one, print.

    Raises:
        OperatorError: the file cannot be written.
    """
    content = render(document, form, font=font)
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        _replace(output, content)
    except OSError as error:
        raise OperatorError(f"The report {output} cannot be written: {error.strerror}.") from error


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o640)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
