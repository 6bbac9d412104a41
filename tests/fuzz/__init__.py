"""Inputs that nobody thought of: what the fuzzers try, for hypothesis in every run and for atheris on request.

``python -m tests.fuzz adql`` and ``python -m tests.fuzz votable`` run atheris (``pip install atheris``) until stopped;
arguments after the name go to libFuzzer, such as ``-max_total_time=600``. What it finds becomes a test.
"""
