"""What a text says besides words: phones, handles, payment accounts, permits, prices, quantities.

Each finding has its span in the original text and a normal form that does not depend on the writing.
"""
