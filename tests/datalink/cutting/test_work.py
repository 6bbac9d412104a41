"""Cut files against astropy's own cut-outs, and what hostile files get."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS

from datalink.core.soda import Cut
from datalink.cutting import images
from datalink.cutting.wire import Outcome
from tests.datalink.cutting.builders import DID, SIZES, counted, cut, extension, made, primary, sky, written
from tests.datalink.cutting.test_axes import IMAGES, cube, middle


def done(source: Path, wanted: Cut) -> fits.HDUList:
    """Return the cut-out, which is a FITS file without fault."""
    answer, target = made(source, wanted)
    assert answer.outcome is Outcome.DONE, answer
    assert target.stat().st_size % 2880 == 0
    opened = fits.open(target, uint=True)
    opened.verify("exception")
    return opened


def corner(header: fits.Header) -> tuple[int, ...]:
    """Return the first pixel of a cut-out in its source, from 0, first axis first."""
    return tuple(int(text) - 1 for text in re.findall(r"(\d+):", header["CUTPIX"]))


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "swapped"])
def test_pixels_are_where_they_were_on_the_sky(tmp_path: Path, name: str) -> None:
    source = written(tmp_path / "a.fits", primary(IMAGES[name]))
    lon, lat = middle(IMAGES[name])
    with done(source, cut(CIRCLE=f"{lon} {lat} 0.1")) as opened, fits.open(source) as whole:
        x, y = corner(opened[0].header)
        height, width = opened[0].shape
        assert np.array_equal(opened[0].data, whole[0].data[y : y + height, x : x + width])
        here, there = WCS(opened[0].header), WCS(whole[0].header)
        grid = np.mgrid[0:width:3, 0:height:3].reshape(2, -1)
        assert np.allclose(here.all_pix2world(*grid, 0), there.all_pix2world(grid[0] + x, grid[1] + y, 0), atol=1e-10)


def test_a_circle_gets_what_astropy_cuts_out(tmp_path: Path) -> None:
    cards = sky(CD1_1=-0.01, CD1_2=0.0, CD2_1=0.0, CD2_2=0.01)
    source = written(tmp_path / "a.fits", primary(cards))
    with done(source, cut(CIRCLE="150 20 0.1")) as opened, fits.open(source) as whole:
        theirs = Cutout2D(whole[0].data, SkyCoord(150 * u.deg, 20 * u.deg), 0.2 * u.deg, wcs=WCS(whole[0].header))
        x, y = corner(opened[0].header)
        ((bottom, _), (left, _)) = theirs.bbox_original
        assert (abs(x - left), abs(y - bottom)) <= (1, 1)
        shifted = opened[0].data[bottom - y :, left - x :][: theirs.shape[0], : theirs.shape[1]]
        assert np.array_equal(shifted, theirs.data[: shifted.shape[0], : shifted.shape[1]])


def test_a_cube_is_cut_along_all_axes(tmp_path: Path) -> None:
    sizes = (*SIZES, 10, 4)
    cards = cube("FREQ", 1.4e9, 1e6) | {"CTYPE4": "STOKES", "CRVAL4": 1.0, "CDELT4": 1.0, "CRPIX4": 1.0}
    source = written(tmp_path / "a.fits", primary(cards, sizes, kind="i4"))
    band = f"{299792458 / 1.4052e9} {299792458 / 1.4028e9}"
    with done(source, cut(("POL", "Q"), ("POL", "U"), CIRCLE="150 20 0.05", BAND=band)) as opened:
        x, y, channel, state = corner(opened[0].header)
        assert (opened[0].shape[:2], channel, state) == ((2, 3), 3, 1)
        assert opened[0].data[1, 2, 0, 0] == counted(sizes, "i4")[2, 5, y, x]
        assert (opened[0].header["CRPIX3"], opened[0].header["CRPIX4"]) == (-2.0, 0.0)


@pytest.mark.parametrize("piece_bytes", [400, 40_000])
def test_a_cube_is_read_in_pieces_of_any_size(
    tmp_path: Path, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "PIECE_BYTES", piece_bytes)
    source = written(tmp_path / "a.fits", primary(cube("WAVE", 1e-6, 1e-9), (*SIZES, 10)))
    with done(source, cut(PIXELS="3 50 2 80 2 9")) as opened:
        assert np.array_equal(opened[0].data, counted((*SIZES, 10))[1:9, 1:80, 2:50])


@pytest.mark.parametrize("compression", ["RICE_1", "GZIP_2", "HCOMPRESS_1"])
def test_a_compressed_image_is_cut_by_its_tiles(tmp_path: Path, compression: str) -> None:
    packed = fits.CompImageHDU(counted(kind="i4"), fits.Header(list(sky().items())), compression_type=compression)
    source = written(tmp_path / "a.fits", packed)
    with done(source, cut(CIRCLE="150 20 0.1")) as opened:
        x, y = corner(opened[1].header)
        assert isinstance(opened[1], fits.ImageHDU)
        height, width = opened[1].shape
        assert np.array_equal(opened[1].data, counted(kind="i4")[y : y + height, x : x + width])


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_every_type_of_number_is_kept(tmp_path: Path, kind: str) -> None:
    source = written(tmp_path / "a.fits", fits.PrimaryHDU(counted((12, 9), kind)))
    with done(source, cut(PIXELS="3 7 2 5")) as opened:
        assert opened[0].data.dtype.newbyteorder("=") == np.dtype(kind)
        assert np.array_equal(opened[0].data, counted((12, 9), kind)[1:5, 2:7])


def test_scaled_and_blank_numbers_keep_their_meaning(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    raw = np.array([[0, 1, -99], [3, 4, 5]], ">i2").tobytes()
    header = fits.Header({"SIMPLE": True, "BITPIX": 16, "NAXIS": 2, "NAXIS1": 3, "NAXIS2": 2})
    header.update({"BSCALE": 0.5, "BZERO": 10.0, "BLANK": -99})
    path.write_bytes(header.tostring().encode() + raw.ljust(2880, b"\0"))
    with done(path, cut(PIXELS="2 3")) as opened:
        assert np.array_equal(opened[0].data, [[10.5, np.nan], [12.0, 12.5]], equal_nan=True)


def test_of_many_images_those_are_kept_that_the_region_meets(tmp_path: Path) -> None:
    first = primary({"OBJECT": "M 1"}, (3, 3))
    near, far = extension(sky() | {"EXTNAME": "NEAR"}), extension(sky(at=(10.0, 10.0)) | {"EXTNAME": "FAR"})
    table = fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])])
    source = written(tmp_path / "a.fits", first, far, table, near)
    with done(source, cut(CIRCLE="150 20 0.1")) as opened:
        assert [hdu.name for hdu in opened] == ["PRIMARY", "NEAR"]
        assert opened[0].data is None
        assert opened[0].header["OBJECT"] == "M 1"
    with done(source, cut(PIXELS="1 2 1 2")) as opened:
        assert [hdu.shape for hdu in opened] == [(2, 2)] * 3


def test_an_image_without_sense_does_not_spoil_the_others(tmp_path: Path) -> None:
    odd = extension(sky() | {"CUNIT1": "parsnip", "EXTNAME": "ODD"})
    source = written(tmp_path / "a.fits", odd, extension(sky() | {"EXTNAME": "GOOD"}))
    with done(source, cut(CIRCLE="150 20 0.1")) as opened:
        assert [hdu.name for hdu in opened] == ["PRIMARY", "GOOD"]


def test_every_description_of_the_coordinates_is_moved(tmp_path: Path) -> None:
    cards = sky() | {
        "CTYPE1A": "LINEAR", "CRPIX1A": 5.0, "CRVAL2P": 1.0, "LTV1": 3.0, "CNPIX2": 7, "CHECKSUM": "x", "DATASUM": "y",
    }  # fmt: skip
    with done(written(tmp_path / "a.fits", primary(cards)), cut(PIXELS="11 20 21 30")) as opened:
        header = opened[0].header
        kept = [header[key] for key in ("CRPIX1", "CRPIX2", "CRPIX1A", "CRPIX2P", "LTV1", "CNPIX2", "CD1_1", "CRVAL1")]
        assert kept == [50.0, 20.0, -5.0, -20.0, -7.0, 27, -0.0098, 150.0]
        assert "CHECKSUM" not in header
        assert "DATASUM" not in header


def test_distortions_by_lookup_table_come_along(tmp_path: Path) -> None:
    def table(version: int) -> fits.ImageHDU:
        hdu = fits.ImageHDU(
            np.random.default_rng(version).normal(size=(9, 12)).astype("f4"), name="WCSDVARR", ver=version
        )
        hdu.header.update({"CRPIX1": 1.0, "CRPIX2": 1.0, "CRVAL1": 1.0, "CRVAL2": 1.0, "CDELT1": 10.0, "CDELT2": 10.0})
        return hdu

    hdu = primary(sky())
    for axis in (1, 2):
        hdu.header[f"CPDIS{axis}"] = "LOOKUP"
        for key, value in (("EXTVER", axis), ("NAXES", 2), ("AXIS.1", 1), ("AXIS.2", 2)):
            hdu.header[f"DP{axis}"] = f"{key}: {float(value)}"
    source = tmp_path / "a.fits"
    fits.HDUList([hdu, table(1), table(2)]).writeto(source)
    with done(source, cut(PIXELS="31 90 21 70")) as opened, fits.open(source) as whole:
        here, there = WCS(opened[0].header, opened), WCS(whole[0].header, whole)
        assert here.cpdis1 is not None
        grid = np.mgrid[0:60:7, 0:50:7].reshape(2, -1)
        moved = there.all_pix2world(grid[0] + 30, grid[1] + 20, 0)
        assert np.allclose(here.all_pix2world(*grid, 0), moved, atol=1e-9)
        assert not np.allclose(here.wcs_pix2world(*grid, 0), moved, atol=1e-6), "the tables do matter"


def test_coordinates_by_table_come_along(tmp_path: Path) -> None:
    by_table = {"CTYPE3": "WAVE-TAB", "CUNIT3": "m", "CRPIX3": 1.0, "CRVAL3": 1.0, "CD3_3": 1.0}
    hdu = primary(sky(**by_table, PS3_0="WAVES", PS3_1="COORDS"), (*SIZES, 4))
    waves = fits.Column("COORDS", "4D", dim="(1,4)", unit="m", array=np.array([[[1e-6], [3e-6], [4e-6], [9e-6]]]))
    source = tmp_path / "a.fits"
    fits.HDUList([hdu, fits.BinTableHDU.from_columns([waves], name="WAVES")]).writeto(source)
    with done(source, cut(PIXELS="31 90 21 70 2 3")) as opened:
        assert WCS(opened[0].header, opened).all_pix2world([[0, 0, 0], [0, 0, 1]], 0)[:, 2].tolist() == [3e-6, 4e-6]


def test_the_header_says_where_it_comes_from(tmp_path: Path) -> None:
    source = written(tmp_path / "a.fits", primary(sky()))
    with done(source, cut(CIRCLE="150 20 0.1")) as opened:
        header = opened[0].header
        assert header["CUTSRC"] == DID
        assert re.fullmatch(r"\[\d+:\d+,\d+:\d+\]", header["CUTPIX"])
        assert re.match(r"Cut out by Penstock \S+ \(SODA 1.0\)\nCIRCLE=150 20 0.1$", str(header["HISTORY"]))


def test_the_same_cut_gives_the_same_bytes(tmp_path: Path) -> None:
    source = written(tmp_path / "a.fits", primary(sky()))
    (_, first), wanted = made(source, cut(CIRCLE="150 20 0.1")), cut(CIRCLE="150  20 0.1")
    content = first.read_bytes()
    assert made(source, wanted)[1].read_bytes() == content


def test_a_file_that_is_compressed_as_a_whole_is_expanded(tmp_path: Path) -> None:
    plain = written(tmp_path / "a.fits", primary(sky()))
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    with done(packed, cut(PIXELS="1 5 1 5")) as opened:
        assert opened[0].shape == (5, 5)
    assert not list(tmp_path.glob("*.plain"))


def test_what_meets_nothing_writes_nothing(tmp_path: Path) -> None:
    answer, target = made(written(tmp_path / "a.fits", primary(sky())), cut(CIRCLE="10 10 1"))
    assert answer.outcome is Outcome.EMPTY
    assert not target.exists()


def test_what_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    answer, target = made(written(tmp_path / "a.fits", primary(sky())), cut(PIXELS="1 100"), max_bytes=9000)
    assert answer.outcome is Outcome.TOO_LARGE
    assert int(answer.message) == 2880 + 36000 + (2880 - 36000 % 2880)
    assert not target.exists()


def raw(cards: Mapping[str, Any], data: bytes = b"") -> bytes:
    header = fits.Header({"SIMPLE": True, **cards})
    return header.tostring().encode() + data


HOSTILE: Mapping[str, bytes] = {
    "nothing": b"",
    "no FITS": b"PNG and so on" * 300,
    "a bomb": gzip.compress(b"SIMPLE  =                    T" + b" " * 40_000_000),
    "half a gzip": gzip.compress(bytes(range(256)) * 400)[:200],
    "a damaged gzip": gzip.compress(b"x" * 9)[:10] + b"\xff" * 90,
    "another compression": b"BZh91AY&SY" + b"x" * 100,
    "shorter than it says": raw({"BITPIX": -32, "NAXIS": 2, "NAXIS1": 100, "NAXIS2": 100}, b"x" * 2880),
    "an exabyte": raw({"BITPIX": -64, "NAXIS": 2, "NAXIS1": 10**9, "NAXIS2": 10**9}, b"x" * 2880),
    "more than 64 bits": raw({"BITPIX": 8, "NAXIS": 3, "NAXIS1": 2**40, "NAXIS2": 2**40, "NAXIS3": 2}, b"x" * 2880),
    "negative axes": raw({"BITPIX": 8, "NAXIS": 2, "NAXIS1": -5, "NAXIS2": 5}, b"x" * 2880),
    "a type that is none": raw({"BITPIX": 13, "NAXIS": 2, "NAXIS1": 5, "NAXIS2": 5}, b"x" * 2880),
    "no size": raw({"BITPIX": 8, "NAXIS": 2}, b"x" * 2880),
    "a table only": b"",
    "no END": b"SIMPLE  =                    T".ljust(80) + b" " * 28_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("filters", [{"PIXELS": "1 90 1 90"}, {"CIRCLE": "0 0 1"}], ids=["pixels", "circle"])
def test_hostile_files_are_refused_with_a_reason(tmp_path: Path, name: str, filters: dict[str, str]) -> None:
    source = tmp_path / "a.fits"
    source.write_bytes(HOSTILE[name])
    if name == "a table only":
        written(source, fits.BinTableHDU.from_columns([fits.Column("x", "E", array=[1.0])]))
    answer, target = made(source, cut(**filters), max_bytes=10_000_000)
    assert answer.outcome is Outcome.REFUSED, answer
    assert answer.message
    assert "\n" not in answer.message
    assert not target.exists()


@pytest.mark.parametrize(
    "cards",
    [
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CD1_1": 0.0, "CD2_2": 0.0},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 1e308, "CRVAL2": -1e308},
        {"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "GLAT-TAN"},
        {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CUNIT1": "parsnip"},
        {"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "A_ORDER": 9, "A_9_0": 1e30},
    ],
)
def test_coordinates_that_make_no_sense_are_refused_or_met_by_nothing(tmp_path: Path, cards: Mapping[str, Any]) -> None:
    answer, _ = made(written(tmp_path / "a.fits", primary(cards)), cut(CIRCLE="150 20 0.1"))
    assert answer.outcome in (Outcome.REFUSED, Outcome.EMPTY)
