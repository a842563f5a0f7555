"""A limit for the number of people with a result: `--max-blocked=5`, or `--max-blocked=5%` of the people tested."""

import re
from fractions import Fraction
from typing import NamedTuple

_NUMBER = re.compile(r"[0-9]{1,9}")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%")


class Limit(NamedTuple):
    """The limit as text, and its meaning: a number of people, or a share of the people in percent."""

    text: str
    number: Fraction
    is_share: bool

    @classmethod
    def parse(cls, text: str) -> "Limit":
        """Return the limit that a text names. Raises ValueError with what was expected."""
        if _NUMBER.fullmatch(text):
            return cls(text, Fraction(text), is_share=False)
        share = _SHARE.fullmatch(text)
        if share and Fraction(share[1]) <= 100:
            return cls(text, Fraction(share[1]), is_share=True)
        raise ValueError(f"expected a whole number, or a share from 0% to 100%, got {text!r}")

    def is_exceeded(self, people: int, tested: int) -> bool:
        """Return whether `people` of `tested` people are more than the limit allows."""
        return people * 100 > self.number * tested if self.is_share else people > self.number
