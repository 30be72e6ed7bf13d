"""The casebook: the relational store of cases, the one place that knows SQL.

Every function here takes an open transaction (``tx``) as its first argument and makes no decision
of its own; the caller decides, opens one transaction for one decision, and commits it.
"""
