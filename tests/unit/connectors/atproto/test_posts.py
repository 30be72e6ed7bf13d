"""Records as authors make them: nothing in one part hides another, and nothing breaks the reader."""

from datetime import UTC, datetime, timedelta
from typing import Any

import libipld
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.atproto.posts import Found, Network, gone_listing, post_listing, split_uri
from connectors.mapping import Unusable
from schemas.listing import Listing
from tests.support.frames import DID, cid_of, post

NOW = datetime(2026, 3, 9, 8, 5, tzinfo=UTC)
NETWORK = Network("net", "https://web.example", "https://img.example/{did}/{cid}", "atproto", "run-1")


def listing(record: Any, **more: Any) -> Listing:
    return post_listing(Found(DID, "3kaaa", "bafy", record, **more), NETWORK, NOW)


def test_a_post_is_told_whole() -> None:
    picture = cid_of(b"picture", codec=0x55)
    found = listing(
        post(
            "Look what I have",
            tags=["ivory"],
            langs=["pt-BR", "en"],
            facets=[{"features": [{"uri": "https://shop.example/1"}, {"tag": "x"}]}],
            labels={"values": [{"val": "graphic-media"}]},
            embed={
                "record": {"record": {"uri": "at://quoted"}},
                "media": {
                    "images": [{"alt": "a carved tusk", "image": {"ref": picture, "mimeType": "image/png"}}],
                    "external": {
                        "uri": "https://shop.example/2",
                        "title": "Shop",
                        "description": "Old things",
                    },
                },
            },
        ),
        handle="seller.example",
    )

    assert found.listing_id == f"at://{DID}/app.bsky.feed.post/3kaaa"
    assert found.url == f"https://web.example/profile/{DID}/post/3kaaa"
    assert found.description.splitlines() == [
        "Look what I have",
        "#ivory",
        "a carved tusk",
        "Shop",
        "Old things",
    ]
    assert [one.value for one in found.contacts] == ["https://shop.example/1", "https://shop.example/2"]
    assert (found.language, found.revision, found.posted_at) == (
        "pt-BR",
        "bafy",
        datetime(2026, 3, 9, 8, tzinfo=UTC),
    )
    assert found.category == "labelled by its author: graphic-media"
    assert found.seller is not None
    assert (found.seller.handle, found.seller.account_id) == ("seller.example", DID)
    [image] = found.images
    assert image.sha256 == picture[4:].hex()
    assert image.url == f"https://img.example/{DID}/{libipld.encode_cid(picture)}"


def test_a_picture_is_found_by_json_s_way_of_writing_links_too() -> None:
    link = libipld.encode_cid(cid_of(b"picture", codec=0x55))
    by_search = listing(post(embed={"images": [{"alt": "", "image": {"ref": {"$link": link}}}]}))
    by_firehose = listing(
        post(embed={"images": [{"alt": "", "image": {"ref": cid_of(b"picture", codec=0x55)}}]})
    )

    assert by_search.images == by_firehose.images != ()
    assert by_search.content_hash == by_firehose.content_hash


@pytest.mark.parametrize(
    "dated", ["2199-01-01T00:00:00Z", "1969-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "soon", 7, None]
)
def test_a_date_that_cannot_be_true_hides_no_post(dated: Any) -> None:
    found = listing(post("ivory", createdAt=dated))

    assert (found.description, found.posted_at) == ("ivory", None)


def test_an_endless_address_takes_no_other_with_it() -> None:
    features = [{"uri": "https://a.example/" + "x" * 9_000}, {"uri": "https://shop.example"}, {"uri": 7}]
    found = listing(post(facets=[{"features": features}, "no facet", {"features": "none"}]))

    assert [len(one.value) for one in found.contacts] == [1_024, 20]


def test_more_of_everything_than_a_listing_holds_is_cut() -> None:
    links = [{"features": [{"uri": f"https://a.example/{n}"} for n in range(300)]}]
    images = [{"alt": "x" * 5_000, "image": {"ref": cid_of(b"%d" % n, codec=0x55)}} for n in range(300)]
    found = listing(post("y" * 300_000, facets=links, embed={"images": images}, langs=["!!", "en"]))

    assert (len(found.contacts), len(found.images), len(found.description)) == (50, 20, 100_000)
    assert found.language == "en"


@pytest.mark.parametrize("record", [None, 7, "text", [], {"text": 7}, {"text": None}])
def test_what_is_no_post_is_set_aside_with_the_reason(record: Any) -> None:
    with pytest.raises(Unusable) as refused:
        listing(record)

    assert refused.value.reason == "wrong_shape"


def test_a_record_of_pictures_only_is_a_post() -> None:
    assert listing({"createdAt": "x"}).description == ""


@pytest.mark.parametrize("handle", ["", "no dots", "a.b\u202e.example", "x" * 600])
def test_a_handle_that_is_none_is_left_out(handle: str) -> None:
    seller = listing(post(), handle=handle).seller

    assert seller is not None
    assert (seller.handle, seller.account_id) == (None, DID)


def test_a_deleted_post_leaves_its_address_and_nothing_to_screen() -> None:
    found = gone_listing(DID, "3kaaa", NETWORK, NOW)

    assert (found.gone, found.description, found.seller, found.images) == (True, "", None, ())
    assert found.listing_id == listing(post()).listing_id


@pytest.mark.parametrize("key", ["", "a/b", "a b", "x" * 300, "é"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Unusable):
        gone_listing(DID, key, NETWORK, NOW)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20) | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "text",
                    "embed",
                    "images",
                    "image",
                    "ref",
                    "$link",
                    "alt",
                    "external",
                    "uri",
                    "features",
                    "val",
                    "media",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["embed", "facets", "langs", "labels", "tags", "createdAt"]), anything)
)
def test_no_record_breaks_the_reader_or_loses_its_text(parts: dict[str, Any]) -> None:
    found = listing({"text": "ivory", **parts})

    assert found.description.startswith("ivory")
    assert Listing.from_bytes(found.to_bytes()) == found


def test_only_a_post_s_address_is_one() -> None:
    assert split_uri(f"at://{DID}/app.bsky.feed.post/3k") == (DID, "3k")
    for uri in (
        "",
        "L-1",
        f"at://{DID}/app.bsky.feed.like/3k",
        f"https://{DID}",
        f"at://{DID}/app.bsky.feed.post/3k/x",
    ):
        assert split_uri(uri) is None


def test_a_clock_a_little_ahead_is_believed() -> None:
    at = NOW + timedelta(minutes=20)

    assert listing(post(createdAt=at.isoformat())).posted_at == at
