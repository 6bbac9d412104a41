"""Cutting of FITS files in processes of their own: there are headers on which wcslib, written in C, crashes."""
