"""What a person does to a case: one function, one transaction, the same for command line and desk.

Each takes an open transaction and ``by``, the person's name as they give it; refuses with
:class:`~streams.notices.acts.people.ActRefused`, whose text is one sentence for that person; and
records who did what, when and why as events, which are sealed in the audit chain.

=========================  =================================================================
review.preview             a case in review: its notice as it would go, with what the person changed
review.approve             a case in review: write its notice and queue it, as it was shown
together.approve_together  several cases in review, of one platform: one notice about all
review.dismiss             a case in review: no notice, with the reason
merging.merge              a case in review: it is about the matter of another case, which goes on
quality.check_quality      a notice of a week's sample: whether it was right
reports.open_from_report   a report: make a case of it, which waits in review
reports.join_report        a report: it is about a case that is there
reports.dismiss_report     a report: no case, with the reason
answers.enter_answer       what a platform said by telephone or on paper, and counter-notices,
                           appeals, reinstatements and partial measures that came that way
information.give_information  what a platform asked for: queue it
redelivery.redeliver       a platform asks for a notice once more
once_more.resend           a notice could not be delivered: back in the line with it
once_more.read_again       an answer could not be read: read it once more
webhooks.propose_address   a platform's people say where notices are to go,
webhooks.address_tested    a signed test there is taken, or not,
webhooks.use_address       and the proven address is in force,
webhooks.give_up_address   or taken back before that;
webhooks.return_address    back to the operator's
webhooks.make_secret       a new secret signs beside the old ones,
webhooks.secret_tested     which stop some time after a test by it alone was taken,
webhooks.end_old_secrets   or at once
webhooks.give_up_secret    a new secret is taken back before it is proven
withdrawal.withdraw        take a notice back and tell the platform
holds.ask_hold             "do not take down yet": asked by one person,
holds.confirm_hold         in force when another confirms,
holds.release_hold         until it is released or lapses
switches.stop_sending      the kill switch: all, one platform, one rule
switches.resume_sending    let it go on
switches.approve_excess    more than a platform's daily cap, by two people
allowances.allow_rule      a rule goes on below its stop line for a while
allowances.finish_task     a step of the ladder that waited for a person was taken
lists.change_entry         a watchlist entry: add, change or retire it
lists.take_file            a file of entries: take it as its difference was shown
lists.propose_pack         a rule pack: put it before a lead,
lists.release_pack         in force when another person releases it,
lists.decline_pack         or sent back with the reason
lists.drop_change          whoever made one of these takes it back
=========================  =================================================================

"""

from streams.notices.acts.allowances import allow_rule, finish_task
from streams.notices.acts.answers import ENTERED, enter_answer
from streams.notices.acts.holds import ask_hold, confirm_hold, lapse_holds, release_hold
from streams.notices.acts.information import give_information, write_information
from streams.notices.acts.lists import (
    change_entry,
    decline_pack,
    drop_change,
    propose_pack,
    release_pack,
    shown_sha256,
    take_file,
)
from streams.notices.acts.merging import merge
from streams.notices.acts.once_more import read_again, resend
from streams.notices.acts.people import ActRefused, actor, person_named, same_person
from streams.notices.acts.quality import check_quality
from streams.notices.acts.redelivery import redeliver
from streams.notices.acts.reports import Offer, dismiss_report, join_report, open_from_report
from streams.notices.acts.review import Preview, approve, dismiss, preview
from streams.notices.acts.switches import approve_excess, resume_sending, stop_sending
from streams.notices.acts.together import approve_together
from streams.notices.acts.withdrawal import Withdrawn, withdraw

__all__ = [
    "ENTERED",
    "ActRefused",
    "Offer",
    "Preview",
    "Withdrawn",
    "actor",
    "allow_rule",
    "approve",
    "approve_excess",
    "approve_together",
    "ask_hold",
    "change_entry",
    "check_quality",
    "confirm_hold",
    "decline_pack",
    "dismiss",
    "dismiss_report",
    "drop_change",
    "enter_answer",
    "finish_task",
    "give_information",
    "join_report",
    "lapse_holds",
    "merge",
    "open_from_report",
    "person_named",
    "preview",
    "propose_pack",
    "read_again",
    "redeliver",
    "release_hold",
    "release_pack",
    "resend",
    "resume_sending",
    "same_person",
    "shown_sha256",
    "stop_sending",
    "take_file",
    "withdraw",
    "write_information",
]
