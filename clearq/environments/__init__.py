"""Code and packages of an attempt: capture them where a task is made, rebuild them where it runs.

``capture`` and ``packages`` record a directory's code and packages; ``git``, ``requirements``, ``wheel`` and
``cache`` bring them back; ``prepare`` does the whole in order. Nothing is imported here, so that each face
loads only what it uses.
"""
