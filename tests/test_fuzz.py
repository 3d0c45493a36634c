"""A few hundred mutants of the golden streams; `python -m tests.support.fuzz` does as many as one likes."""

from __future__ import annotations

from tests.support.fuzz import fuzz


def test_mutants_are_refused_or_mean_the_same() -> None:
    seen = fuzz(400, seed=20)
    assert sum(seen.values()) > 380
    # What stands behind right checksums was reached.
    assert any("the decoded symbols are not those that were coded" in said for said in seen)
    assert any("not decodable" in said for said in seen)
