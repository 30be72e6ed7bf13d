"""What an answer and a look change: pure decisions."""

from datetime import datetime, timedelta
from itertools import pairwise, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.response import PlatformResponse
from streams.notices.item import (
    Item,
    Look,
    apply_answer,
    apply_look,
    is_open,
    next_look,
    removal_met,
)
from tests.support.notices import LOOK, T0, at, make_item, make_response


def answered(item: Item, *responses: PlatformResponse) -> Item:
    for response in responses:
        item, _ = apply_answer(item, response)
    return item


def looked(item: Item, *looks: tuple[str, float]) -> tuple[Item, list[str]]:
    types: list[str] = []
    for state, seconds in looks:
        item, happened = apply_look(item, Look(state, "test", at(seconds)), LOOK)  # type: ignore[arg-type]
        types += [one.type for one in happened]
    return item, types


class TestAnswers:
    def test_any_answer_acknowledges_once(self) -> None:
        item, happened = apply_answer(make_item(), make_response(kind="receipt", outcome=None, received=2))

        assert item.acknowledged_at == at(2)
        assert [one.type for one in happened] == ["acknowledged"]

        _, again = apply_answer(item, make_response(received=9))

        assert "acknowledged" not in [one.type for one in again]

    def test_a_claimed_removal_keeps_the_platforms_time_apart_from_ours(self) -> None:
        item = answered(make_item(), make_response(received=100, effective_at=at(40)))

        assert item.decided_at == at(100)
        assert item.removal_claimed_at == at(100)
        assert item.claimed_effective_at == at(40)
        assert item.content == "unseen"

    def test_a_claim_does_not_change_what_was_seen(self) -> None:
        item = answered(make_item(content="online"), make_response())

        assert item.content == "online"
        assert is_open(item)

    def test_a_late_receipt_does_not_undo_a_decision(self) -> None:
        item = answered(
            make_item(),
            make_response(received=10),
            make_response(kind="receipt", outcome=None, received=50),
            make_response(kind="need_info", outcome="need_info", received=60),
        )

        assert item.claim == "removed"
        assert item.outcome == "actioned_removed"

    def test_a_later_decision_replaces_an_earlier_one(self) -> None:
        item = answered(
            make_item(),
            make_response(outcome="refused_lawful", received=10),
            make_response(outcome="actioned_removed", received=50),
        )

        assert item.claim == "removed"
        assert item.decided_at == at(10)

    def test_an_unmapped_word_changes_no_claim_and_says_so(self) -> None:
        item, happened = apply_answer(
            make_item(), make_response(kind="decision", outcome="unknown", received=3)
        )

        assert item.claim == "none"
        assert "unmapped_answer" in [one.type for one in happened]

    @pytest.mark.parametrize("seed", range(5))
    def test_every_order_of_five_answers_ends_alike(self, seed: int) -> None:
        answers = [
            make_response(kind="receipt", outcome=None, received=1 + seed, said=0),
            make_response(kind="need_info", outcome="need_info", received=20, said=10),
            make_response(outcome="refused_insufficient", received=35, said=30),
            make_response(outcome="actioned_removed", received=50, said=45, effective_at=at(44)),
            make_response(kind="reinstated", outcome=None, received=90, said=80),
        ]

        ends = {answered(make_item(), *order) for order in permutations(answers)}

        assert len(ends) == 1
        assert ends.pop().claim == "reinstated"

    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_duplicated_and_shuffled_answers_end_as_in_order(self, data: st.DataObject) -> None:
        kinds = st.sampled_from(
            [
                ("receipt", None),
                ("status", None),
                ("need_info", "need_info"),
                ("decision", "actioned_removed"),
                ("decision", "actioned_disabled"),
                ("decision", "actioned_geo"),
                ("decision", "refused_lawful"),
                ("decision", "already_gone"),
                ("decision", "unknown"),
                ("counter_notice", None),
                ("reinstated", None),
                ("impossible", "impossible"),
            ]
        )
        sequence = data.draw(st.lists(st.tuples(kinds, st.integers(0, 50), st.integers(0, 20)), max_size=8))
        answers = [
            make_response(kind=kind, outcome=outcome, said=said, received=said + late, response_id=str(n))
            for n, ((kind, outcome), said, late) in enumerate(sequence)
        ]
        doubled = answers + data.draw(st.lists(st.sampled_from(answers), max_size=8)) if answers else []
        shuffled = data.draw(st.permutations(doubled))

        assert answered(make_item(), *shuffled) == answered(make_item(), *answers)


class TestLooks:
    def test_one_look_is_no_proof_of_removal(self) -> None:
        item, types = looked(make_item(), ("online", 1), ("offline", 100))

        assert item.content == "offline_unconfirmed"
        assert types == ["seen_online", "seen_gone"]
        assert is_open(item)

    def test_two_looks_apart_prove_a_removal_and_keep_the_interval(self) -> None:
        item, types = looked(make_item(), ("online", 60), ("offline", 100), ("offline", 170))

        assert types[-1] == "removal_verified"
        assert (item.last_online_at, item.first_offline_at) == (at(60), at(100))
        assert item.removal_verified_at == at(170)
        assert not is_open(item)

    def test_two_looks_too_close_prove_nothing(self) -> None:
        item, _ = looked(make_item(), ("online", 60), ("offline", 100), ("offline", 110))

        assert item.content == "offline_unconfirmed"

    def test_an_unknown_look_is_never_offline(self) -> None:
        item, types = looked(make_item(), ("unknown", 100), ("unknown", 500), ("unknown", 900))

        assert item.content == "unseen"
        assert types == []
        assert item.looks == 3

    def test_a_listing_that_flickers_starts_its_offline_run_anew(self) -> None:
        item, _ = looked(make_item(), ("offline", 10), ("online", 40), ("offline", 80), ("offline", 150))

        assert item.first_offline_at == at(80)
        assert item.content == "offline_monitoring"

    def test_gone_before_the_notice_arrived_is_no_speed_of_the_platform(self) -> None:
        item, types = looked(make_item(), ("offline", -1), ("offline", 100))

        assert item.content == "pre_gone"
        assert types[-2:] == ["already_gone", "case_closed"]
        assert next_look(item, at(100), LOOK, last=None) is None

    def test_gone_while_a_reply_was_lost_is_the_platforms_doing(self) -> None:
        late = make_item(first_attempt_at=at(-10), sent_at=T0)

        item, _ = looked(late, ("offline", -3), ("offline", 100))

        assert item.content == "offline_monitoring"

    def test_a_listing_that_is_back_reappeared_and_the_removal_stays_on_record(self) -> None:
        item, types = looked(
            make_item(), ("online", 1), ("offline", 100), ("offline", 200), ("online", 5_000)
        )

        assert item.content == "reappeared"
        assert types[-1] == "reappeared"
        assert item.first_offline_at == at(100)
        assert item.removal_verified_at == at(200)

    def test_said_removed_but_seen_online_is_a_mismatch_once(self) -> None:
        item = answered(make_item(content="online"), make_response(received=100))

        item, types = looked(item, ("online", 300), ("online", 800), ("online", 900))

        assert types == ["claim_mismatch"]
        assert item.mismatch_at == at(800)

    def test_seven_quiet_days_confirm_and_close(self) -> None:
        week = timedelta(days=7).total_seconds()

        item, types = looked(make_item(), ("offline", 10), ("offline", 100), ("offline", 11 + week))

        assert item.content == "offline_confirmed"
        assert types[-1] == "case_closed"


class TestNextLook:
    def test_looks_taper_and_end(self) -> None:
        item = make_item(content="online")
        now, times = T0, []
        while (following := next_look(item, now, LOOK, last=None)) is not None:
            times.append(following)
            now = following

        assert times[:3] == [at(300), at(900), at(7_200)]
        assert times[-1] <= T0 + LOOK.watch
        assert all(a < b for a, b in pairwise(times))

    def test_a_first_offline_look_is_followed_up_as_soon_as_it_can_prove_something(self) -> None:
        item, _ = looked(make_item(), ("offline", 310))

        assert next_look(item, at(310), LOOK, last=None) == at(370)

    def test_an_unknown_look_is_repeated_soon(self) -> None:
        item = make_item(content="online")
        look = Look("unknown", "timeout", at(1_000))

        assert next_look(item, at(1_000), LOOK, last=look) == at(1_000) + LOOK.unknown_again


class TestRemovalInTime:
    @pytest.mark.parametrize(
        ("online", "offline", "claimed", "due", "met"),
        [
            pytest.param(10, 50, None, 60, True, id="gone before it was due"),
            pytest.param(10, 70, None, 60, False, id="gone after, no claim"),
            pytest.param(10, 70, 55, 60, True, id="due between two looks, the claim says before"),
            pytest.param(10, 70, 65, 60, False, id="due between two looks, the claim says after"),
            pytest.param(62, 70, 55, 60, False, id="seen online after it was due: the claim is untrue"),
        ],
    )
    def test_verdict(
        self, online: float, offline: float, claimed: float | None, due: float, met: bool
    ) -> None:
        effective: datetime | None = None if claimed is None else at(claimed)
        item = make_item(
            last_online_at=at(online), first_offline_at=at(offline), claimed_effective_at=effective
        )

        assert removal_met(item, at(due)) is met
