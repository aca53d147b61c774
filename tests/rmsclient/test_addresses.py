import pytest

from rmsclient.addresses import address_of_license, parse_address
from rmsclient.errors import UsageError


@pytest.mark.parametrize(
    ("text", "url", "origin"),
    [
        ("rms.contoso.example", "https://rms.contoso.example", "https://rms.contoso.example"),
        ("https://RMS.contoso.example:443/", "https://rms.contoso.example", "https://rms.contoso.example"),
        ("https://h.example:8443/rights/", "https://h.example:8443/rights", "https://h.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:80/", "http://[::1]", "http://[::1]"),
        ("http://localhost:8000", "http://localhost:8000", "http://localhost:8000"),
    ],
)
def test_an_address_is_normalized(text, url, origin):
    address = parse_address(text)
    assert (address.url, address.origin) == (url, origin)


@pytest.mark.parametrize(
    "text",
    [
        "http://contoso.example",
        "http://10.0.0.1",
        "http://127.0.0.1.contoso.example",
        "ftp://contoso.example",
        "https://alice:pw@contoso.example",
        "https://contoso.example/?a=b",
        "https://contoso.example:99999",
        "https://con toso.example",
        "https://",
        "",
    ],
)
def test_what_may_not_get_a_sign_in_is_refused(text):
    with pytest.raises(UsageError):
        parse_address(text)


def test_the_server_of_a_license_is_what_stands_before_the_tenant():
    url = "https://h.example/rights/t/3f0d1f0a-0000-4000-8000-00000000000b/_wmcs/licensing"
    assert address_of_license(url).url == "https://h.example/rights"
    assert address_of_license("https://x.rms.example/_wmcs/licensing").url == "https://x.rms.example"
