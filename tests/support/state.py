"""The whole state of a namespace as plain values, and what a call changed in it."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from clearq.storage import Storage

#: Key after the tag to its value: hash and sorted set as dict, set as dict of True, list and stream as list,
#: string as text. Entries of streams are dicts without empty fields.
State = dict[str, Any]


class _Gone:
    def __repr__(self) -> str:
        return "GONE"


#: A key, field or member that was there before.
GONE = _Gone()

_READ: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "hash": (("HGETALL",), ()),
    "zset": (("ZRANGE",), ("0", "-1", "WITHSCORES")),
    "set": (("SMEMBERS",), ()),
    "list": (("LRANGE",), ("0", "-1")),
    "stream": (("XRANGE",), ("-", "+")),
    "string": (("GET",), ()),
}


async def names(storage: Storage) -> list[str]:
    """All keys of the namespace, complete."""
    found: set[str] = set()
    cursor = "0"
    while True:
        cursor, some = await storage.command("SCAN", cursor, "MATCH", storage.keys.prefix + "*", "COUNT", 5000)
        found.update(some)
        if str(cursor) == "0":
            return sorted(found)


async def dump(storage: Storage) -> State:
    """Everything that the namespace holds."""
    keys = await names(storage)
    kinds = await storage.commands([("TYPE", key) for key in keys])
    calls = [(*_READ[kind][0], key, *_READ[kind][1]) for key, kind in zip(keys, kinds, strict=True) if kind in _READ]
    values = await storage.commands(calls)
    return {
        key.removeprefix(storage.keys.prefix): _plain(kind, value)
        for key, kind, value in zip(keys, kinds, values, strict=True)
    }


async def lifetimes(storage: Storage) -> dict[str, int]:
    """Milliseconds left of every key that expires."""
    keys = await names(storage)
    left = await storage.commands([("PTTL", key) for key in keys])
    return {key.removeprefix(storage.keys.prefix): ms for key, ms in zip(keys, left, strict=True) if ms >= 0}


async def forget(storage: Storage) -> None:
    """Delete the whole namespace."""
    keys = await names(storage)
    for i in range(0, len(keys), 1000):
        await storage.command("UNLINK", *keys[i : i + 1000])


def changes(before: State, after: State) -> dict[str, Any]:
    """What differs, by key: of hashes and sets the fields that are new, other or GONE; of streams what was added;
    of lists and strings the new value. A key that is not in it was not touched.
    """
    found: dict[str, Any] = {key: GONE for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if old != value:
            found[key] = _change(old, value)
    return found


def _change(old: Any, new: Any) -> Any:
    if isinstance(new, dict):
        old = old or {}
        changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
        return changed | {name: GONE for name in old if name not in new}
    if isinstance(new, list) and new and isinstance(new[0], dict):
        old = old or []
        return new[len(old) :] if new[: len(old)] == old else new
    return new


def _plain(kind: str, value: Any) -> Any:
    match kind:
        case "hash":
            return dict(value)
        case "zset":
            # Answered as text on purpose: scores are integers up to 2^53.
            pairs = value if value and isinstance(value[0], list | tuple) else zip(value[::2], value[1::2], strict=True)
            return {member: int(float(score)) for member, score in pairs}
        case "set":
            return dict.fromkeys(sorted(value), True)
        case "stream":
            return [{name: text for name, text in dict(fields).items() if text != ""} for _, fields in value]
    return value


def misplaced(state: State) -> list[str]:
    """Breaks of the invariant: a queued task is in exactly one lane or `delayed`, a running one in exactly one
    holder's keeping or in `lost`, and nothing else is in any of them.
    """
    lanes = [key for key in state if key.startswith(("q:", "fn:", "fn."))]
    parked = [key for key in state if key.startswith("limit.held:")]
    keepers = [key for key in state if key.startswith("own:")]
    found = []
    for key, task in state.items():
        if not key.startswith("t:"):
            continue
        id = key[2:]
        waits = [place for place in [*lanes, *parked, "delayed"] if id in state.get(place, {})] + ["parents"] * (
            "waits" in task
        )
        kept = [place for place in [*keepers, "lost"] if id in state.get(place, {})]
        status = task.get("status", "queued")
        by_hand = task.get("manual") == "1" and "fence" not in task
        wanted = (status == "queued", status == "in_progress" and not by_hand)
        if (len(waits), len(kept)) != wanted:
            found.append(f"{id} is {status}, waits in {waits} and is kept in {kept}")
    known = {key[2:] for key in state if key.startswith("t:")}
    for place in [*lanes, *parked, *keepers, "delayed", "lost"]:
        found += [f"{place} holds {id}, which is no task" for id in state.get(place, {}) if id not in known]
    return found + miscounted(state) + misled(state) + misturned(state)


def misled(state: State) -> list[str]:
    """Breaks of the rules of dependants: who waits for parents is listed by its queue and by each of the parents."""
    found = []
    listed = {(key[6:], id) for key in state if key.startswith("waits:") for id in state[key]}
    waiting = {(task["queue"], key[2:]) for key, task in state.items() if key.startswith("t:") and "waits" in task}
    found += [f"{id} waits for parents, or not, unlike what waits:{queue} says" for queue, id in listed ^ waiting]
    for _, id in waiting:
        parents = [key[6:] for key in state if key.startswith("after:") and id in state[key]]
        if len(parents) != int(state[f"t:{id}"]["waits"]):
            found.append(f"{id} waits for {state[f't:{id}']['waits']} parents, which are {parents}")
    for key, queue in state.items():
        if key.startswith("queue:"):
            name = key[6:]
            parked = sum(len(state[each]) for each in state if each.startswith(f"limit.held:{name}:"))
            parked += len(state.get(f"waits:{name}", {}))
            if parked != int(queue.get("held", "0")):
                found.append(f"{key} counts {queue.get('held')} held tasks, there are {parked}")
    return found


def misturned(state: State) -> list[str]:
    """Breaks of the rules of fair queues: a key counts its tasks that wait, and is forgotten without any."""
    found = []
    for key, fields in state.items():
        if not key.startswith("queue:") or "fair" not in fields:
            continue
        queue = key[6:]
        lanes = [name for name in state if re.fullmatch(rf"(q|fn(\..+?)?):{queue}|limit\.held:{queue}:.*", name)]
        wanted = Counter(state[f"t:{id}"]["fair"] for lane in lanes for id in state[lane])
        book = {name[2:]: text for name, text in state.get(f"fair:{queue}", {}).items() if name.startswith("k:")}
        counts = {name: int(text.split()[0]) for name, text in book.items()}
        if {name: count for name, count in counts.items() if count} != dict(wanted):
            found.append(f"keys of {queue} count {counts}, not {dict(wanted)}")
    return found


def permits(state: State) -> dict[str, dict[str, int]]:
    """Permits that must be taken, by queue and key: by tasks in lanes and running, kept ones, those of a timer."""
    counts: dict[str, Counter[str]] = {}
    lanes = {id for key in state if key.startswith(("q:", "fn:", "fn.")) for id in state[key]}
    for key, task in state.items():
        if not key.startswith("t:") or "limits" not in task:
            continue
        keys = set(task["limits"].split())
        if "held" in task:
            keys = set(task.get("kept", "").split())
        elif task.get("status") == "in_progress":
            keys -= set(task.get("spent", "").split())
        elif key[2:] not in lanes:
            continue
        counts.setdefault(task["queue"], Counter()).update(keys)
    for member in state.get("timers", {}):
        _, queue, _, name = member.split(" ")
        counts.setdefault(queue, Counter())[name] += 1
    return {queue: {name: count for name, count in keys.items() if count} for queue, keys in counts.items()}


def miscounted(state: State) -> list[str]:
    """Breaks of the rules of limits: permits that nobody has, or a task that waits beside a free one."""
    found = []
    wanted = permits(state)
    queues = {key.partition(":")[2] for key in state if key.startswith("permits:")} | set(wanted)
    for queue in queues:
        taken = {name: int(count) for name, count in state.get(f"permits:{queue}", {}).items()}
        if {name: count for name, count in taken.items() if count} != wanted.get(queue, {}):
            found.append(f"permits of {queue} are {taken}, not {wanted.get(queue, {})}")
    for key, held in state.items():
        if not key.startswith("limit.held:"):
            continue
        _, queue, name = key.split(":", 2)
        limit = name.partition(":")[0]
        size = state[f"queue:{queue}"].get(f"limit:{limit}")
        free = size is None or int(state[f"permits:{queue}"].get(name, "0")) < int(size.partition("/")[0])
        later = [f"limit {queue} {name}" in state.get("todo", {})]
        later += [item.startswith(f"resize {queue} {limit} ") for item in state.get("todo", {})]
        if free and not any(later):
            found.append(f"{list(held)} are held on {name}, which has a free permit")
    return found
