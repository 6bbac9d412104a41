"""Where can I run this? The Execution Planner (IVOA note of 2022) for the facilities of a deployment."""
