"""Python's garbage collection in a process that reads many records."""

import gc


def collect_seldom() -> None:
    """Call once, when everything is loaded: what there is then is never looked at again, and the rest more
    seldom than Python does by itself. Records hold no circles, and thousands of them are made a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
