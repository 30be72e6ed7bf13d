"""A Faust consumer whose commit never passes an undecided record.

``ledger`` is the arithmetic of one partition, ``book`` keeps the ledgers of a worker, ``consumer``
puts them in place of Faust's own bookkeeping. One agent event is one :class:`~.batch.Batch`.

It excludes Tables, per-event agents and ``exactly_once`` in the same app. Faust, mode and aiokafka
are pinned exactly, because private parts of them are overridden: after an upgrade run
``tests/unit/streams/screening/test_ledger.py`` and ``tests/faults/screening_faults.py kill``.
"""
