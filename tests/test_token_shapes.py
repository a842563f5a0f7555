"""The exporter recognizes tokens and keys by their format."""

import pytest

from access_exporter.token_shapes import has_token, without_tokens
from tests.planted import KEY, TOKEN

SECRETS = {
    "token": TOKEN,
    "old token with dashes": "aB3-dE6_gH9jK2mN5pQ8rS1tU4vW7xY0-zA3bC6d",
    "user token": "cfut_Zk3vQ8mW1xT6yB4nR9cL2pF7sD5gH0jKaE8uV3qM1b2c3d4",
    "account token": "cfat_0123456789abcdefghijABCDEFGHIJ01234567890a1b2c3d",
    "global key": "cfk_0123456789abcdefghijABCDEFGHIJ01234567890a1b2c3d",
    "a truncated token": "cfut_Zk3vQ8mW1xT6yB4n",
    "old key": "4079dac9320b638f5e225cf483cc5cfdda4af",
    "random old key": KEY,
    "key of an origin": f"v1.0-{'1a2b3c' * 4}-{'9f8e' * 36}",
    "token of a tunnel": "eyJhIjoiNjY2NjY2NjY2NjY2NjY2NiIsInQiOiI0In0",
}
OTHERS = {
    "account": "023e105f4ecef8ad9ca31a8372d0c353",
    "policy": "f1a12179-81b5-4be5-b4ed-9f2b6a7c0d1e",
    "policy test": "f1a8b3c9d4" * 6 + "e5f6",
    "hash of a commit": "6b45a5a01ab7c2d023d146536c90140ebef01ab7",
    "name": "Engineering-Contractors-EMEA-2026-Phase-2",
    "name in lower case": "engineering_contractors_emea_2026_phase_2_renewal",
    "name with an id": "wiki-f1a12179-81b5-4be5-b4ed-9f2b6a7c0d1e",
    "long word": "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerk",
    "path": "/var/run/secrets/kubernetes.io/serviceaccount/cloudflare-token",
    "sentence": "Payroll of ACME (2026), all 3 regions",
    "variable": "CFUT_TOKEN",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("around", ["{}", "Bearer {}", "Team {} (old)", "/run/{}.txt", "{}\n"])
def test_tokens_and_keys(text: str, around: str) -> None:
    """A token or key of any kind is found and hidden at any place in a text."""
    assert has_token(around.format(text))
    assert text not in without_tokens(around.format(text))


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_ids_and_names(text: str) -> None:
    """Ids and names that people choose are not changed."""
    assert not has_token(text)
    assert without_tokens(text) == text
