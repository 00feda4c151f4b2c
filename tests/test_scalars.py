"""The table of plain scalars: what sigs.k8s.io/yaml makes of each, which is what the API server decodes.

The expected values were printed by `YAMLToJSON` of sigs.k8s.io/yaml v1.6.0 (go.yaml.in/yaml/v2 v2.4.2); JSON has one
kind of number, so `1.0` is 1.
"""

from __future__ import annotations

import pytest
import ruamel.yaml
import yaml
from hypothesis import given
from hypothesis import strategies as st

from krm_harden import scalars

STRINGS = [
    "nULL",
    "none",
    "yEs",
    "oN",
    "tRUE",
    "t",
    "f",
    "--1",
    "0o8",
    "0o",
    "0x",
    "0xG",
    "0b2",
    "0b",
    "_1",
    "1e",
    "e3",
    "1e3.0",
    "1e3e3",
    ".",
    "..",
    "...",
    "-.",
    "+.",
    ".e1",
    "+",
    "1.2.3",
    "1e400",
    "-1e400",
    "12:30:45",
    "1:30",
    "190:20:30",
    "12:30",
    "2026-11-22",
    "2026-11-22T12:30:45Z",
    "2001-12-14 21:59:43.10 -5",
    "2001-12-14t21:59:43.10-05:00",
    "1999-01",
    "2026-1-2",
    "0x10000000000000000",
    "inf",
    "Inf",
    "infinity",
    "nan",
    "NaN",
    "+inf",
    "-inf",
    "+nan",
    "0x1p4",
    "0x1.8p1",
    "1p4",
    "0x.8p0",
    "0x1P-2",
    "1f",
    "10k",
    "1Gi",
    "100m",
    "0.5Gi",
    "1,000",
    "1 000",
    "500m",
    "$1",
    "1s",
    "=",
    "<<",
    "a",
    "abc",
    "-a",
    "+a",
    "a:b",
    "1-2",
    "1+2",
    "1a",
    "0a",
    "+-1",
    "._5",
    "\u0663",
    "\uff11\uff12",
    "1\u0663",
    "0\u0663",
    "\u00bd",
    "\u00b2",
    "1\u00b2",
    "0B",
    "0x-1",
    "0x+1",
    "0o-1",
    "0o+1",
    "-0b+1",
    "--0b1",
    "-+0b1",
    "1.7976931348623159e308",
    ".1.",
    "1..2",
    "1.2e",
    "+.inf2",
    ".Inf2",
    ".nano",
    ".iNF",
    "+.nan",
    "-.nan",
]
NULLS = ["", "~", "null", "Null", "NULL"]
TRUES = ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"]
FALSES = ["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"]
INTEGERS = {
    "0": 0,
    "1": 1,
    "8080": 8080,
    "-1": -1,
    "+1": 1,
    "-0": 0,
    "+0": 0,
    "00": 0,
    "01": 1,
    "07": 7,
    "08": 8,
    "09": 9,
    "0755": 493,
    "0o755": 493,
    "0O755": 493,
    "0o14": 12,
    "0O14": 12,
    "-0o14": -12,
    "+0o14": 12,
    "-0755": -493,
    "+0755": 493,
    "0644": 420,
    "0999": 999,
    "010": 8,
    "018": 18,
    "0x1F": 31,
    "0X1F": 31,
    "0x1f": 31,
    "-0x1F": -31,
    "+0x1F": 31,
    "0b101": 5,
    "0B101": 5,
    "-0b101": -5,
    "+0b101": 5,
    "0x1_F": 31,
    "0b1_0": 2,
    "0_755": 493,
    "0_8": 8,
    "1_000": 1000,
    "1__000": 1000,
    "1_": 1,
    "1_e3": 1000,
    "-1_000": -1000,
    "+1_000": 1000,
    "0x_1F": 31,
    "0_x1F": 31,
    "1_0_": 10,
    "+_1": 1,
    "-_1": -1,
    "1e3": 1000,
    "1E3": 1000,
    "1e+3": 1000,
    "1.e3": 1000,
    "1.5e3": 1500,
    "-1e3": -1000,
    "+1e3": 1000,
    "1.0": 1,
    "1.": 1,
    "-1.": -1,
    ".5e1": 5,
    "0.0": 0,
    "-0.0": 0,
    "1e0": 1,
    "1e20": 100000000000000000000,
    "1e-400": 0,
    "0e0": 0,
    "00e1": 0,
    "1.0e+2": 100,
    "9223372036854775807": 9223372036854775807,
    "9223372036854775808": 9223372036854775808,
    "-9223372036854775808": -9223372036854775808,
    "18446744073709551615": 18446744073709551615,
    "123456789012345678": 123456789012345678,
    "1234567890123456789": 1234567890123456789,
    "0x7fffffffffffffff": 9223372036854775807,
    "0xffffffffffffffff": 18446744073709551615,
    "-0x8000000000000000": -9223372036854775808,
    "0x8000000000000000": 9223372036854775808,
    "01777777777777777777777": 18446744073709551615,
    "0b1111111111111111111111111111111111111111111111111111111111111111": 18446744073709551615,
    "-0b1000000000000000000000000000000000000000000000000000000000000000": -9223372036854775808,
    "9007199254740993": 9007199254740993,
    "9007199254740993.0": 9007199254740992,
    "1e15": 1000000000000000,
    "1e17": 100000000000000000,
    "123456789.0": 123456789,
    "0x1e3": 483,
    "0_": 0,
    "0__1": 1,
    "00_7": 7,
    "-00": 0,
    "0x0": 0,
    "0o0": 0,
    "0b0": 0,
    "-0x0": 0,
    "-0b0": 0,
    "0b-1": -1,
    "0b+1": 1,
    "0_o14": 12,
    "0o_14": 12,
    "0o1_4": 12,
    "0b_1": 1,
    "1e1_0": 10000000000,
    "1_0e1": 100,
    "1e_3": 1000,
    "1E+03": 1000,
    "1e03": 1000,
    "2e-324": 0,
    "01e3": 1000,
    "09e1": 90,
    "0.": 0,
    "00.": 0,
    "1e18": 1000000000000000000,
    "1e19": 10000000000000000000,
    ".0": 0,
    ".000": 0,
    "+.0": 0,
    "-.0": 0,
}
FLOATS = {
    "1_000.5": 1000.5,
    "1e-3": 0.001,
    "1.5": 1.5,
    "-1.5": -1.5,
    "+1.5": 1.5,
    ".5": 0.5,
    "-.5": -0.5,
    "+.5": 0.5,
    "1.10": 1.1,
    "01.5": 1.5,
    "08.5": 8.5,
    "007.5": 7.5,
    "1e21": 1e21,
    "999999999999999999999": 1e21,
    "1e22": 1e22,
    "123456789012345678901234567890": 1.2345678901234568e29,
    "02000000000000000000000": 2e21,
    "1.5_0": 1.5,
    "1_.5": 1.5,
    "1._5": 1.5,
    "4.9e-324": 5e-324,
    "1.7976931348623157e308": 1.7976931348623157e308,
    "-1_2.5": -12.5,
    "-00.5": -0.5,
    "1e-7": 1e-07,
    "0.000001": 1e-06,
    "0.0000001": 1e-07,
    "1e-6": 1e-06,
}
ROUNDED = {
    "-9223372036854775809": -9223372036854776000,
    "18446744073709551616": 18446744073709552000,
    "12345678901234567890.0": 12345678901234567000,
    "18446744073709551616.0": 18446744073709552000,
    "1.8446744073709552e19": 18446744073709552000,
    "9.223372036854775807e18": 9223372036854776000,
    "-9.3e18": -9300000000000000000,
    "100000000000000000000": 100000000000000000000,
}
"""Beyond 64 bits: Go prints the shortest digits of the float64."""
KEYS = {
    "t": "t",
    "1": "1",
    "-1": "-1",
    "+1": "1",
    "-0": "0",
    "00": "0",
    "08": "8",
    "0755": "493",
    "0o14": "12",
    "0o8": "0o8",
    "018": "18",
    "0x1F": "31",
    "0b101": "5",
    "-0b101": "-5",
    "1_000": "1000",
    "1_000.5": "1000.5",
    "-_1": "-1",
    "1e3": "1000",
    "1.5e3": "1500",
    "1.0": "1",
    "1.5": "1.5",
    ".5": "0.5",
    "1.10": "1.1",
    "007.5": "7.5",
    "12:30": "12:30",
    "2026-11-22": "2026-11-22",
    "123456789012345678": "123456789012345678",
    "0x7fffffffffffffff": "9223372036854775807",
    "a": "a",
}
KEYS_OF_FLOATS = {
    "1e3": "1000",
    "1e6": "1e+06",
    "1e15": "1e+15",
    "1e20": "1e+20",
    "123456789.0": "1.2345679e+08",
    "1e-3": "0.001",
    "0.00001": "1e-05",
    "-0.0": "-0",
    ".inf": ".inf",
    "-.Inf": "-.inf",
    "+.INF": ".inf",
    ".NaN": ".nan",
}
"""Go writes a float key with an exponent from 1e6 and below 1e-4, in single precision."""


def named(values):
    return [repr(value) for value in values]


@pytest.mark.parametrize("plain", STRINGS, ids=named(STRINGS))
def test_strings_stay(plain):
    assert scalars.resolve(plain) == plain


@pytest.mark.parametrize(
    "plain, expected",
    [*((plain, None) for plain in NULLS), *((plain, True) for plain in TRUES), *((plain, False) for plain in FALSES)],
    ids=named([*NULLS, *TRUES, *FALSES]),
)
def test_constants(plain, expected):
    assert scalars.resolve(plain) is expected


@pytest.mark.parametrize("plain, expected", {**INTEGERS, **FLOATS}.items(), ids=named([*INTEGERS, *FLOATS]))
def test_numbers(plain, expected):
    actual = scalars.resolve(plain)

    assert (type(expected), expected) == (type(actual), actual)


@pytest.mark.parametrize("plain, expected", ROUNDED.items(), ids=named(ROUNDED))
def test_numbers_beyond_64_bits(plain, expected):
    assert float(expected) == float(scalars.resolve(plain))


@pytest.mark.parametrize("plain", [".inf", ".Inf", ".INF", "+.inf", "+.INF"])
def test_infinity(plain):
    assert scalars.resolve(plain) == float("inf")
    assert scalars.resolve("-" + plain.lstrip("+")) == float("-inf")


@pytest.mark.parametrize("plain", [".nan", ".NaN", ".NAN"])
def test_not_a_number(plain):
    actual = scalars.resolve(plain)

    assert isinstance(actual, float)
    assert actual != actual  # noqa: PLR0124


@pytest.mark.parametrize("plain, expected", KEYS.items(), ids=named(KEYS))
def test_keys_are_strings(plain, expected):
    assert expected == scalars.key(plain)


@pytest.mark.parametrize("plain, expected", KEYS_OF_FLOATS.items(), ids=named(KEYS_OF_FLOATS))
def test_keys_of_floats(plain, expected):
    assert expected == scalars.key(plain)


@pytest.mark.parametrize(
    "tag, scalar, expected",
    [
        ("tag:yaml.org,2002:str", "5", "5"),
        ("tag:yaml.org,2002:str", "yes", "yes"),
        ("tag:yaml.org,2002:str", "", ""),
        ("tag:yaml.org,2002:int", "5", 5),
        ("tag:yaml.org,2002:int", "0755", 493),
        ("tag:yaml.org,2002:float", "1.5", 1.5),
        ("tag:yaml.org,2002:float", "1", 1),
        ("tag:yaml.org,2002:float", "0x10", 16),
        ("tag:yaml.org,2002:bool", "yes", True),
        ("tag:yaml.org,2002:bool", "off", False),
        ("tag:yaml.org,2002:null", "", None),
        ("tag:yaml.org,2002:null", "null", None),
        ("tag:yaml.org,2002:timestamp", "2001-01-01", "2001-01-01"),
        ("tag:yaml.org,2002:binary", "aGk=", "hi"),
        ("tag:yaml.org,2002:foo", "5", "5"),
        ("!foo", "5", "5"),
        ("!int", "5", "5"),
        ("tag:example.com,2000:int", "5", "5"),
        ("tag:example.com,2000:bool", "yes", "yes"),
    ],
)
def test_tagged(tag, scalar, expected):
    actual = scalars.tagged(tag, scalar)

    assert (type(expected), expected) == (type(actual), actual)


@pytest.mark.parametrize(
    "string",
    [
        "", " ", "a b", "a:", "a: b", "a #b", "#a", "-a", ".a", "*a", "&a", "!a", "@a", "`a", "%a", "?a", "[a", "{a",
        "a,b", "a\n", "a\t", "\u00e9", "a\u00e9", "'a", '"a', "|", ">", "=", "<<", "~", "a~", "1", "0755", "1e3",
        "y", "N", "yes", "No", "ON", "off", "true", "TRUE", "null", "Null", "nULL", "yEs", "nan", "NaN", "inf", "Inf",
        "infinity", "_a", "a$b", "a*", "a=b",
    ],
)  # fmt: skip
def test_not_plain_safe(string):
    assert not scalars.is_plain_safe(string)


@pytest.mark.parametrize(
    "string",
    ["a", "ALL", "RuntimeDefault", "/tmp", "/", "/var/run", "a-b", "a.b", "a_b", "x1", "e3", "t", "ye", "nulls"],
)
def test_plain_safe(string):
    assert scalars.is_plain_safe(string)


@given(st.text(st.sampled_from("aeEfFiInNyYoOxXtrusl019_./-~:"), max_size=8))
def test_plain_safe_means_the_same_to_every_reader(string):
    if not scalars.is_plain_safe(string):
        return
    text = f"a: {string}\n"

    assert scalars.resolve(string) == string
    assert yaml.safe_load(text) == {"a": string}
    assert ruamel.yaml.YAML(typ="safe", pure=True).load(text) == {"a": string}


@given(st.text(st.sampled_from("0123456789+-._eExXoObBinfaINFA:"), max_size=12))
def test_resolve_raises_nothing(plain):
    actual = scalars.resolve(plain)

    assert actual is None or type(actual) in {bool, int, float, str}
    assert isinstance(scalars.key(plain), str)
