"""Which traces are taken, by the rules of W3C Trace Context, each with the cases in which it counts."""

import random

import pytest

from proxy.request.trace_context import LONG_MEMBER_BYTES, STATE_BYTES_MAX, parse_traceparent, passed_tracestate

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
IDS = f"{TRACE_ID}-{PARENT_ID}"
VALID = f"00-{IDS}-01"

TAKEN = {
    "not sampled": (f"00-{IDS}-00", 0),
    "sampled": (VALID, 1),
    "with an id that was drawn by chance": (f"00-{IDS}-02", 2),
    "both": (f"00-{IDS}-03", 3),
    "flags that nobody knows are zero": (f"00-{IDS}-ff", 3),
    "none of the flags known": (f"00-{IDS}-fc", 0),
    "a later version": (f"01-{IDS}-01", 1),
    "of a later version only sampled is known": (f"cc-{IDS}-ff", 1),
    "a later version, with more": (f"cc-{IDS}-00-what-comes-later", 0),
    "a later version, with more that is empty": (f"fe-{IDS}-01-", 1),
    "digits alone": ("00-12345678901234567890123456789012-1234567890123456-01", 1),
}


@pytest.mark.parametrize(("value", "flags"), TAKEN.values(), ids=TAKEN)
def test_a_valid_traceparent_is_taken(value: str, flags: int) -> None:
    expected = bytes.fromhex(value[3:35] + value[36:52]) + bytes((flags,))
    assert parse_traceparent(value.encode()) == expected


BEGUN_ANEW = {
    "empty": "",
    "the version alone": "00",
    "the version and a dash": "00-",
    "one byte short": VALID[:-1],
    "one byte more": VALID + "0",
    "a dot behind": VALID + ".",
    "a dash behind version 00": VALID + "-",
    "more behind version 00": VALID + "-what-comes-later",
    "version ff": f"ff-{IDS}-01",
    "a dot in the version": f".0-{IDS}-01",
    "a dot at the version's end": f"0.-{IDS}-01",
    "a version of three digits": f"000-{IDS}-01",
    "a version of four digits": f"0000-{IDS}-01",
    "a version of one digit": f"0-{IDS}-01",
    "a version in upper case": f"CC-{IDS}-01",
    "no version": f"{IDS}-01",
    "a trace id of zeros": f"00-{'0' * 32}-{PARENT_ID}-01",
    "a trace id of zeros, later version": f"cc-{'0' * 32}-{PARENT_ID}-01",
    "a dot in the trace id": f"00-.{TRACE_ID[1:]}-{PARENT_ID}-01",
    "a dot at its end": f"00-{TRACE_ID[:-1]}.-{PARENT_ID}-01",
    "a trace id in upper case": f"00-{TRACE_ID.upper()}-{PARENT_ID}-01",
    "one letter in upper case": f"00-{TRACE_ID.replace('a', 'A')}-{PARENT_ID}-01",
    "a trace id that is too long": f"00-{TRACE_ID}0-{PARENT_ID}-01",
    "a trace id that is too short": f"00-{TRACE_ID[1:]}-{PARENT_ID}-01",
    "a parent id of zeros": f"00-{TRACE_ID}-{'0' * 16}-01",
    "a dot in the parent id": f"00-{TRACE_ID}-.{PARENT_ID[1:]}-01",
    "a dot at the parent id's end": f"00-{TRACE_ID}-{PARENT_ID[:-1]}.-01",
    "a parent id in upper case": f"00-{TRACE_ID}-{PARENT_ID.upper()}-01",
    "a parent id that is too long": f"00-{TRACE_ID}-{PARENT_ID}0-01",
    "a parent id that is too short": f"00-{TRACE_ID}-{PARENT_ID[1:]}-01",
    "a dot in the flags": f"00-{IDS}-.0",
    "a dot at the flags' end": f"00-{IDS}-0.",
    "flags in upper case": f"00-{IDS}-0A",
    "flags that are too long": f"00-{IDS}-001",
    "flags that are too short": f"00-{IDS}-1",
    "a dot behind a later version": f"cc-{IDS}-01.what-comes-later",
    "letters behind a later version": f"cc-{IDS}-01what",
    "a later version that is too short": f"cc-{IDS}-0",
    "underscores": VALID.replace("-", "_"),
    "without dashes": VALID.replace("-", ""),
    "white space within": VALID.replace("-", " -", 1),
    "a line end": VALID + "\n",
    "two fields": f"{VALID}, {VALID}",
    "two fields that differ": f"00-{TRACE_ID[:-1]}1-{PARENT_ID}-01, {VALID}",
    "a trace and an empty field": f"{VALID}, ",
    "no hexadecimal digits": "é" * 55,
    "digits of another script": VALID.replace("1", "\u0661"),
}


@pytest.mark.parametrize("value", BEGUN_ANEW.values(), ids=BEGUN_ANEW)
def test_what_is_no_valid_traceparent_is_not_taken(value: str) -> None:
    assert parse_traceparent(value.encode()) is None


# ---- tracestate ----

MEMBERS_32 = ",".join(f"bar{number:02}={number:02}" for number in range(1, 33))
KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE_CHARACTERS = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")

PASSED = {
    "one member": "foo=1",
    "two": "foo=1,bar=2",
    "white space around members": "foo=1 \t , \t bar=2, \t baz=3",
    "tabs around members": "foo=1\t \t,\t \tbar=2,\t \tbaz=3",
    "several fields": "foo=1,bar=2, rojo=1,congo=2, baz=3",
    "an empty field behind": "foo=1, ",
    "an empty field before": ", foo=1",
    "an empty member": "a=1,,b=2",
    "a member twice": "foo=1,foo=1",
    "a key twice": "foo=1,foo=2",
    "every character of a key": f"{KEY_CHARACTERS}=1",
    "every character of a value": f"a={VALUE_CHARACTERS}",
    "a key with a vendor": f"{KEY_CHARACTERS}@a-z0-9_-*/=1",
    "a key that begins with a digit": "0a=1",
    "a key of one digit": "1=1",
    "an at sign at a key's end": "foo@=1,bar=2",
    "two at signs": "foo@@bar=1,bar=2",
    "three names": "foo@bar@baz=1,bar=2",
    "32 members": MEMBERS_32,
    "the longest key": f"foo=1,{'z' * 256}=1",
    "the longest key with a vendor": f"{'t' * 241}@{'v' * 14}=1",
    "a long name and a short vendor": f"{'t' * 242}@v=1",
    "a short name and a long vendor": f"t@{'v' * 15}=1",
    "the longest value": f"a={'v' * 256}",
    "white space within a value": "a= with spaces inside",
    "as long as may be": f"a={'v' * 254},b={'v' * 253}",
}


@pytest.mark.parametrize("value", PASSED.values(), ids=PASSED)
def test_a_valid_tracestate_is_passed_on_as_it_came(value: str) -> None:
    assert passed_tracestate(value.encode()) == value.encode()


DROPPED = {
    "empty": "",
    "a space": " ",
    "commas alone": ", ,",
    "no value": "foo",
    "an empty value": "foo=,bar=3",
    "a value of spaces": "foo= ,bar=3",
    "an empty key": "=1",
    "a space behind the key": "foo =1",
    "a key in upper case": "FOO=1",
    "a letter in upper case": "fOo=1",
    "a dot in the key": "foo.bar=1",
    "a key that begins with an underscore": "_a=1",
    "a key that begins with an at sign": "@foo=1,bar=2",
    "an equals sign in the value": "foo=bar=baz",
    "a letter that is not ASCII": "a=é",
    "a control byte": "a=\x01",
    "a tab within a value": "a=b\tc",
    "a line end": "a=1\n",
    "33 members": MEMBERS_32 + ",bar33=33",
    "33 members in several fields": MEMBERS_32.replace(",bar21", ", bar21") + ", bar33=33",
    "a key that is too long": f"foo=1,{'z' * 257}=1",
    "a value that is too long": f"a={'v' * 257}",
    "one bad member among good ones": "a=1,B=2,c=3",
}


@pytest.mark.parametrize("value", DROPPED.values(), ids=DROPPED)
def test_what_is_no_valid_tracestate_is_dropped_whole(value: str) -> None:
    assert passed_tracestate(value.encode("latin-1")) is None


def test_of_a_tracestate_that_is_too_long_long_members_go_first() -> None:
    long, longer = f"long={'v' * 124}", f"longer={'v' * 250}"
    assert len(long) == LONG_MEMBER_BYTES + 1
    others = [f"k{number}={'v' * 60}" for number in range(3)]
    state = ",".join([long, others[0], longer, others[1], others[2]])
    assert passed_tracestate(state.encode()) == ",".join([long, *others]).encode()


def test_of_a_tracestate_that_is_too_long_without_long_members_the_last_go() -> None:
    members = [f"k{number:02}={'v' * 60}" for number in range(20)]
    passed = passed_tracestate(",".join(members).encode())
    assert passed == ",".join(members[:7]).encode()
    assert len(passed) + 1 + len(members[7]) > STATE_BYTES_MAX


def test_white_space_is_not_what_members_are_dropped_for() -> None:
    members = [f"k{number}={'v' * 80}" for number in range(6)]
    assert (
        passed_tracestate((" " * 100).join(f"{member}," for member in members).encode()) == ",".join(members).encode()
    )


def test_whatever_is_passed_on_is_valid_and_fits() -> None:
    chance = random.Random(17)
    for _ in range(500):
        members = [
            f"{chance.choice('ab0')}{'k' * chance.randrange(256)}={'v' * chance.choice((1, 20, 100, 126, 127, 255))}"
            for _ in range(chance.randrange(1, 33))
        ]
        passed = passed_tracestate((chance.choice((",", " ,\t")).join(members)).encode())
        left = (passed or b"").decode().split(",") if passed else []
        assert len(passed or b"") <= STATE_BYTES_MAX
        in_order = iter(members)
        assert all(each.strip() in in_order for each in left)  # each behind the one before
        if passed is not None:
            assert passed_tracestate(passed) == passed
