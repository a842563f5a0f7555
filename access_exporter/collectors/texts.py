"""Texts of answers that are kept and shown, such as names."""


def kept(text: str, most: int) -> str:
    """Return so many characters of a text; `?` stands for half of a surrogate pair, which nothing can write."""
    return text[:most].encode(errors="replace").decode()
