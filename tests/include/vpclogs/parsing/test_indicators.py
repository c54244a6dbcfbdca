"""Indicators are what Panther's scanners find, without their bugs."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpclogs.parsing.indicators import account, domain, exchanger, instance, ip


@pytest.mark.parametrize("text", ["10.0.0.1", "::", "2001:DB8::1", "::ffff:1.2.3.4", "255.255.255.255"])
def test_an_address_is_kept_as_it_is_written(text):
    assert ip(text) == text


@pytest.mark.parametrize("text", ["", "-", "10.0.0", "010.0.0.1", "256.0.0.1", "fe80::1%eth0", "1.2.3.4 ", "x\0", "é"])
def test_other_text_is_no_address(text):
    assert ip(text) is None


@given(st.from_regex(r"[0-9a-fA-F.:]{0,20}", fullmatch=True) | st.ip_addresses().map(str))
@settings(deadline=None)
def test_what_is_an_address_python_says_too(text):
    try:
        ipaddress.ip_address(text)
    except ValueError:
        assert ip(text) is None
    else:
        assert ip(text) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("www.example.com.", "www.example.com", id="the trailing dot goes"),
        pytest.param("www.example.com", "www.example.com", id="nothing else goes where there is none"),
        pytest.param("example.com..", "example.com.", id="only one dot goes"),
        pytest.param(" example.com. ", "example.com", id="blanks go"),
        pytest.param(".", None, id="the root"),
        pytest.param("", None, id="nothing"),
        pytest.param("xn--bcher-kva.example.", "bücher.example", id="punycode"),
        pytest.param("www.XN--bcher-kva.de", "www.bücher.de", id="punycode in any label"),
        pytest.param("xn--99999999.", "xn--99999999", id="what is no punycode stays"),
        pytest.param("xn--a.", "xn--a", id="what decodes to a control character stays"),
        pytest.param("Example.COM.", "Example.COM", id="case stays"),
    ],
)
def test_domains(text, found):
    assert domain(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("10 mail.example.", "mail.example"), ("mail.example.", "mail.example"), ("0 .", None), ("10", None)],
)
def test_preference_of_a_mail_exchanger_is_not_its_name(text, found):
    assert exchanger(text) == found


@pytest.mark.parametrize("text", ["", "12345678901", "0123456789012", "12345678901a", "\uff11" * 12])
def test_only_twelve_digits_are_an_account(text):
    assert account(text) is None
    assert account("012345678901") == "012345678901"


def test_an_instance_begins_with_i_and_a_hyphen():
    assert (instance("i-0abc"), instance("eni-0abc"), instance("")) == ("i-0abc", None, None)
