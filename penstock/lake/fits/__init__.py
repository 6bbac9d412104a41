"""FITS files: their structure read in one pass, and ObsCore metadata derived from their headers.

Only `penstock.lake.fits.walk` is cheap to import; the rest loads astropy.
"""
