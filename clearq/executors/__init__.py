"""How an attempt runs: from a task to a command, from a command to a process tree, from its output to lines.

``kinds`` names the executors (``process``, ``venv``); ``tree`` runs what they prepared, ``trail`` ends the
whole of it, also from outside; ``output``, ``lines`` and ``shipping`` carry what it prints; ``usage``
measures it. Nothing is imported here, so that each process loads only what it uses.
"""
