"""Which wavelengths a filter passes, by its name.

Half-power limits of the usual photometric systems, in nanometres (Bessell 2005, ARA&A 43, 293, and the surveys' own
papers), good to a few per cent: enough to find an observation by its band, not to do photometry.
Names that end in a number tell of themselves: ``F606W`` is wide and lies at 606 nm.
"""

from __future__ import annotations

import re

Band = tuple[float, float]  # shortest and longest wavelength, m

_NM: dict[str, tuple[float, float]] = {  # name: centre, full width at half maximum
    "U": (365, 66), "B": (445, 94), "V": (551, 88), "R": (658, 138), "I": (806, 149),
    "Y": (1020, 120), "J": (1220, 213), "H": (1630, 307), "K": (2190, 390), "Ks": (2159, 262), "Kp": (2124, 351),
    "Lp": (3776, 700),
    "u": (355, 60), "g": (469, 138), "r": (617, 138), "i": (748, 154), "z": (893, 137), "y": (1005, 90),
    "W1": (3353, 663), "W2": (4603, 1042), "W3": (11561, 5506), "W4": (22088, 4102),
    "FUV": (152.8, 44.2), "NUV": (227.1, 106.0),
    "UVW2": (193, 66), "UVM2": (225, 50), "UVW1": (260, 69),
    "Ha": (656.3, 10), "OIII": (500.7, 10), "SII": (672.4, 10),
}  # fmt: skip
_SLOAN = re.compile(r"SDSS|PS1|PAN-?STARRS|SLOAN", re.IGNORECASE)
_OTHERS = re.compile(r"BESSELL?|JOHNSON|COUSINS|KRON|HARRIS|MKO|2MASS|SWIFT|WISE", re.IGNORECASE)
_ALIASES = {
    "HALPHA": "Ha", "H-ALPHA": "Ha", "HA": "Ha", "O3": "OIII", "S2": "SII",
    "KS": "Ks", "KSHORT": "Ks", "K'": "Kp", "KP": "Kp", "L'": "Lp", "RC": "R", "IC": "I",
}  # fmt: skip
_NUMBERED = re.compile(r"F(\d{3,4})(LP|[WMNX])")
_WIDTHS = {"X": 0.40, "W": 0.25, "M": 0.10, "N": 0.015}  # of the wavelength
_INFRARED = ("NICMOS", "NIRCAM", "NIRISS", "NIRSPEC", "MIRI")


def band(name: str, instrument: str | None) -> Band | None:
    """Return the limits of a filter, in m; None if its name tells nothing."""
    plain = name.strip()
    return _numbered(plain.upper(), (instrument or "").upper()) or _named(plain)


def _numbered(name: str, instrument: str) -> Band | None:
    """Read names of the Hubble and Webb kind: in nanometres, or in hundredths of a micron for the infrared."""
    found = _NUMBERED.fullmatch(name)
    if found is None or found[2] not in _WIDTHS:
        return None
    centre = float(found[1])
    if any(word in instrument for word in _INFRARED) or (instrument.startswith("WFC3") and centre < 200):
        centre *= 10
    return _limits(centre, centre * _WIDTHS[found[2]])


def _named(name: str) -> Band | None:
    plain = _OTHERS.sub("", _SLOAN.sub("", name)).strip(" _-.#()[]")
    if (_SLOAN.search(name) or plain.endswith("'")) and plain.rstrip("'p").lower() in tuple("ugrizy"):
        plain = plain.rstrip("'p").lower()
    key = _ALIASES.get(plain.upper(), plain)
    if key not in _NM and len(key) > 1:  # of one letter, the case tells the system
        key = key.upper()
    return _limits(*_NM[key]) if key in _NM else None


def _limits(centre_nm: float, width_nm: float) -> Band:
    return (centre_nm - width_nm / 2) * 1e-9, (centre_nm + width_nm / 2) * 1e-9
