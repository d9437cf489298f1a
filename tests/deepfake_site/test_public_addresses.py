"""Public is what is given out to the public; everything else is not, by whatever name."""

import ipaddress

import pytest

from deepfake_site.public_addresses import FORBIDDEN, is_permitted


@pytest.mark.parametrize("network", FORBIDDEN, ids=str)
def test_a_forbidden_network_is_so_from_end_to_end(network):
    assert not is_permitted(network[0])
    assert not is_permitted(network[-1])


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "223.255.255.255",
        "2001:200::1",
        "2606:4700::1111",
        "2a00:1450::1",
    ],
)
def test_its_public_neighbours_are_not(address):
    assert is_permitted(ipaddress.ip_address(address))


def test_a_network_of_ones_own_can_be_let_through(settings):
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network("10.1.2.0/24")]
    assert is_permitted(ipaddress.ip_address("10.1.2.3"))
    assert not is_permitted(ipaddress.ip_address("10.1.3.3"))
    assert not is_permitted(ipaddress.ip_address("::ffff:10.1.2.3"))


@pytest.mark.parametrize(
    ("network", "public", "inside"),
    [
        ("64:ff9b::/96", "64:ff9b::5db8:d822", "64:ff9b::a9fe:a9fe"),
        ("2002::/16", "2002:5db8:d822::1", "2002:7f00:1::1"),
        ("::ffff:0:0/96", "::ffff:93.184.216.34", "::ffff:10.0.0.1"),
    ],
)
def test_a_translated_address_is_judged_by_what_it_leads_to(settings, network, public, inside):
    settings.OUTBOUND_ALLOW = [ipaddress.ip_network(network)]
    assert is_permitted(ipaddress.ip_address(public))
    assert not is_permitted(ipaddress.ip_address(inside))
