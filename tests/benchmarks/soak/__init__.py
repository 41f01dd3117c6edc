"""``scripts/bench soak``: functions of all kinds for half an hour, with processes killed under them."""
