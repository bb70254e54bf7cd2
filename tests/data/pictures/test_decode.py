import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chainrule.data.pictures.decode import BadPicture, Form, decode, read_header

Image = pytest.importorskip("PIL.Image", reason="pictures need pip install '.[pictures]'")

GREY, RGB = Form(2, 3, 1), Form(2, 3, 3)


def saved(path, pixels, mode=None, **settings):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    (image if mode is None else image.convert(mode)).save(path, **settings)
    return path


@given(arrays(np.uint8, st.sampled_from([(2, 3), (2, 3, 3)])))
def test_a_png_of_the_form_is_read_as_it_is(tmp_path_factory, pixels):
    path = saved(tmp_path_factory.mktemp("p") / "a.png", pixels)
    form = GREY if pixels.ndim == 2 else RGB
    expected = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(path, form), expected)
    assert read_header(path).is_grey == (pixels.ndim == 2)


def test_the_orientation_is_that_in_which_it_is_looked_at(tmp_path):
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, :8] = 255  # the left half is bright
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    for name in ("a.jpg", "a.webp", "a.png"):
        path = saved(tmp_path / name, pixels, "L", exif=exif)
        header = read_header(path)
        assert (header.height, header.width) == (16, 8)
        turned = decode(path, Form(16, 8, 1))[0]
        assert turned[:7].min() > 200
        assert turned[9:].max() < 50


def test_what_is_transparent_is_white(tmp_path):
    clear = np.zeros((2, 3, 4), np.uint8)
    half = clear + np.array([0, 0, 0, 128], np.uint8)
    palette = Image.new("P", (3, 2), 0)
    palette.putpalette([10, 20, 30])
    assert decode(saved(tmp_path / "a.png", clear), RGB).min() == 255
    assert decode(saved(tmp_path / "b.webp", clear, lossless=True), RGB).min() == 255
    assert abs(int(decode(saved(tmp_path / "c.png", half), RGB).mean()) - 127) <= 1
    assert decode(saved(tmp_path / "d.png", palette, transparency=0), RGB).min() == 255
    assert decode(saved(tmp_path / "e.png", Image.new("LA", (3, 2), (0, 0))), GREY).min() == 255


def test_palettes_bits_and_cmyk_become_eight_bit_colours(tmp_path):
    palette = Image.new("P", (3, 2), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    coloured = saved(tmp_path / "a.png", palette)
    assert decode(coloured, RGB)[:, 0, 0].tolist() == [10, 20, 30]
    assert not read_header(coloured).is_grey
    palette.putpalette([0, 0, 0, 70, 70, 70])
    grey = saved(tmp_path / "b.png", palette)
    assert read_header(grey).is_grey
    assert decode(grey, GREY).tolist() == [[[70] * 3] * 2]
    deep = saved(tmp_path / "c.png", np.array([[0, 257, 65535], [25700, 128, 129]], np.uint16))
    assert read_header(deep).is_grey
    assert decode(deep, GREY)[0].tolist() == [[0, 1, 255], [100, 0, 1]]
    assert decode(saved(tmp_path / "d.png", Image.new("1", (3, 2), 1)), GREY).min() == 255
    inks = saved(tmp_path / "e.jpg", Image.new("CMYK", (3, 2), (0, 255, 255, 0)), quality=95)
    red, green, blue = decode(inks, RGB)[:, 0, 0].tolist()
    assert red > 200 > 60 > max(green, blue)


def test_other_shapes_are_cut_at_both_sides_or_stretched(tmp_path):
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 4:8] = 200
    path = saved(tmp_path / "a.png", wide)
    assert decode(path, Form(4, 4, 1))[0].tolist() == [[200] * 4] * 4
    stretched = decode(path, Form(4, 6, 1, "stretch"))[0]
    assert stretched[:, 0].max() == 0
    assert stretched[:, 2:4].min() > 150
    assert decode(path, Form(2, 3, 3)).shape == (3, 2, 3)


def test_a_large_jpeg_is_read_as_the_same_picture(tmp_path):
    places = np.add.outer(np.arange(400.0), np.arange(400.0)) / 798 * 255
    path = saved(tmp_path / "a.jpg", places.astype(np.uint8), quality=95)
    expected = places.reshape(8, 50, 8, 50).mean(axis=(1, 3))
    assert np.abs(decode(path, Form(8, 8, 1))[0] - expected).max() < 6


def png_of(width, height):
    """A PNG whose header promises a size that its data do not have."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not a PNG, JPEG or WebP picture"),
        (b"hello", "is not a PNG, JPEG or WebP picture"),
        (b"GIF89a" + bytes(20), "is not a PNG, JPEG or WebP picture"),
        (png_of(9000, 9999), "pixels, and at most"),
        (png_of(2**30, 2**30), "pixels, and at most"),
        (png_of(30, 30)[:50], "truncated|[Bb]roken|incomplete|not enough"),
    ],
)
@pytest.mark.filterwarnings("ignore:Image size")
def test_what_is_no_picture_is_refused(tmp_path, content, why):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(BadPicture, match=why):
        decode(path, GREY)


def test_a_form_says_what_it_expects():
    for wrong in ((0, 3, 1), (3, 513, 1), (3, 3, 2)):
        with pytest.raises(ValueError, match=r"expected (sides|1)"):
            Form(*wrong)
    with pytest.raises(ValueError, match="fit: expected crop or stretch, got 'pad'"):
        Form(3, 3, 1, "pad")
