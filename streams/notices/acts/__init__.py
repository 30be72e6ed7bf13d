"""What a person does to a case: one function, one transaction, the same for command line and desk.

Each takes an open transaction and ``by``, the person's name as they give it; refuses with
:class:`~streams.notices.acts.people.ActRefused`, whose text is one sentence for that person; and
records who did what, when and why as events, which are sealed in the audit chain.

=========================  =================================================================
review.approve             a case in review: write its notice and queue it
review.dismiss             a case in review: no notice, with the reason
answers.enter_answer       what a platform said by telephone or on paper, and counter-notices,
                           appeals, reinstatements and partial measures that came that way
withdrawal.withdraw        take a notice back and tell the platform
=========================  =================================================================

What a platform asked for is given with :func:`streams.notices.handlers.information_given` after its
channel took it (``takin notices inform``).
"""

from streams.notices.acts.answers import ENTERED, enter_answer
from streams.notices.acts.people import ActRefused, actor, person_named, same_person
from streams.notices.acts.review import approve, dismiss
from streams.notices.acts.withdrawal import withdraw

__all__ = [
    "ENTERED",
    "ActRefused",
    "actor",
    "approve",
    "dismiss",
    "enter_answer",
    "person_named",
    "same_person",
    "withdraw",
]
