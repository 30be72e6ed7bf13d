"""Requests made from the API's own description never find a fault of ours."""

import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance

from streams.desk.api_routes import description
from streams.notices.casebook.database import Casebook
from tests.support.desk import Filled, api_token

EXAMPLES = int(os.environ.get("TAKIN_TEST_API_EXAMPLES", "12"))
"""Requests for each operation."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("known", [True, False], ids=["own-notice", "any-notice"])
def test_no_request_is_answered_with_5xx_or_outside_the_description(
    app: FastAPI, casebook: Casebook, filled: Filled, tmp_path: Path, known: bool
) -> None:
    token = api_token(casebook, "market")
    app.openapi_schema = None
    document = description(app)
    schema = schemathesis.openapi.from_dict(document)
    schema.app = app
    statuses: set[int] = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: schemathesis.Case[Any]) -> None:
            if known and "reference" in (case.path_parameters or {}):
                case.path_parameters["reference"] = filled.references["market"][3]
            response = case.call(headers={"Authorization": f"Bearer {token}"})
            statuses.add(response.status_code)

            assert response.status_code < 500, response.text
            # What a field asks of another is said in words, which a generator does not read.
            case.validate_response(response, excluded_checks=[positive_data_acceptance])

        ask()
    assert 200 in statuses
