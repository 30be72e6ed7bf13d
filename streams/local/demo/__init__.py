"""The listings that the demo plays: ``listings.jsonl``, 360 offers in 14 languages, most of them innocent.

All texts were written for this project; sellers, contacts and goods are invented. One JSON object a line
with ``id``, ``title``, ``text``, ``lang``, ``category``, ``price``, ``seller``, ``location``, ``ships_to``
and ``posted_at``; the platform and the address are given when the file is played. What should become of
each listing is known to the tests only.
"""
