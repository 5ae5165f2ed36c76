"""Work beside the traffic: what it changes of the interpreter is as before in the end."""

import gc
import sys

import pytest

from proxy.beside_traffic import SWITCH_INTERVAL_S, beside_traffic


def test_it_is_as_before_in_the_end() -> None:
    before = sys.getswitchinterval()

    def work() -> None:
        with beside_traffic():
            assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL_S)
            assert not gc.isenabled()
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        work()
    assert sys.getswitchinterval() == before
    assert gc.isenabled()


def test_who_has_switched_collection_off_keeps_it_off() -> None:
    gc.disable()
    try:
        with beside_traffic():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_it_is_as_before_only_when_the_last_of_several_threads_has_ended() -> None:
    before = sys.getswitchinterval()
    one, other = beside_traffic(), beside_traffic()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL_S)
    assert not gc.isenabled()
    other.__exit__(None, None, None)
    assert sys.getswitchinterval() == before
    assert gc.isenabled()
