"""The basket: references to files, results and services that a person collects, for jobs and notebooks to use."""
