"""blob_list: blobs are listed before they are stored, and looked at sooner when asked for."""

from __future__ import annotations

from tests.support.bench import NOW, Bench

ARGS, FILE = "task1 args.n1 r", "task1 result.1.n2 s"


async def test_new_ones_are_listed(bench: Bench) -> None:
    call = ("blob_list", NOW, "new", 1000, ARGS, FILE)
    await bench.check(*call, answer=["listed"], changed={"blobs": {ARGS: NOW + 1000, FILE: NOW + 1000}})
    await bench.refuse(*call, answer=["listed"])
    await bench.check("blob_list", NOW, "new", 2000, FILE, answer=["listed"], changed={"blobs": {FILE: NOW + 2000}})


async def test_a_look_comes_sooner_but_never_later_and_lists_nothing(bench: Bench) -> None:
    await bench.call("blob_list", NOW, "new", 1000, ARGS)
    await bench.refuse("blob_list", NOW, "soon", 5000, ARGS, FILE, answer=["listed"])
    await bench.check("blob_list", NOW, "soon", 10, ARGS, answer=["listed"], changed={"blobs": {ARGS: NOW + 10}})
