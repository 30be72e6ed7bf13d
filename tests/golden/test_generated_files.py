"""The committed contract files are what the models say: a change of a contract is a visible diff."""

from schemas.generate import stale


def test_json_schemas_and_asyncapi_document_are_fresh() -> None:
    assert stale() == (), "run 'make schemas' and look at the diff"
