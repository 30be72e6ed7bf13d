"""The outside: sources that read listings, platforms that take notices, endpoints that receive.

Never imports ``streams``.
"""
