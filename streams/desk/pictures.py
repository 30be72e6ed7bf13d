"""Pictures from strangers: read as pixels and written anew, so that nothing else of the file is kept."""

import io
import warnings

from PIL import Image, ImageOps

MOST_PIXELS = 40_000_000
LONGEST_SIDE = 2_000
MEDIA_TYPE = "image/jpeg"
FORMATS = ("JPEG", "PNG", "WEBP")


class NoPicture(ValueError):
    """It is no picture that we read."""


def redrawn(content: bytes) -> bytes:
    """The picture as a JPEG of at most :data:`LONGEST_SIDE` pixels, without place, device or comment.

    Raises:
        NoPicture: it is of another kind, damaged, or too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as found:
                if found.width * found.height > MOST_PIXELS:
                    raise NoPicture(f"{found.width} x {found.height} pixels are too many")
                upright = ImageOps.exif_transpose(found).convert("RGB")
        upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        # A picture without its information: what the reader kept aside would be written again.
        plain = Image.new("RGB", upright.size)
        plain.paste(upright)
        written = io.BytesIO()
        plain.save(written, "JPEG", quality=85)
    except NoPicture:
        raise
    # What a damaged file makes a decoder raise is not one family.
    except Exception as error:
        raise NoPicture(f"no picture that can be read: {type(error).__name__}") from error
    return written.getvalue()
