"""Turning pictures upright that were stored as the camera was held."""

from PIL import ExifTags, Image

from gateway.imaging.pixels import ImageArray, to_uint8

# How each EXIF orientation is undone (EXIF 2.3, section 4.6.4, tag 274); 1 is upright.
_UNDO = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_XMP = ("xmp", "XML:com.adobe.xmp")


def upright_pixels(image: Image.Image) -> ImageArray:
    """Converts an image as to_uint8 does, turned as its EXIF orientation says.

    Damaged EXIF counts as none: the picture is still there.
    """
    image.load()
    undo = _UNDO.get(_orientation(image))
    return to_uint8(image if undo is None else image.transpose(undo))


def _orientation(image: Image.Image) -> int:
    for xmp in _XMP:
        image.info.pop(xmp, None)  # where Pillow looks too, and viewers do not
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 hostile metadata makes Pillow raise nearly anything
        return 1
    return orientation if isinstance(orientation, int) else 1
