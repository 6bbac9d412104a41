"""The use-cases of UWS: load, decide, compare-and-set, perform effects."""
