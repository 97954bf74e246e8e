"""Whose address it is that asks; for the trail, the log of the door and the log of the web server alike."""


def address(peer: str, forwarded: str, *, proxies: int) -> str:
    """The peer's address; behind so many trusted proxies, the one that the outermost of them saw.

    `forwarded` is the header X-Forwarded-For: each proxy adds at its end the address that it was asked from, and what
    stands before that is the caller's own word.
    """
    known = [part.strip() for part in forwarded.split(",") if part.strip()]
    if proxies and known:
        # Where no proxy has written it, it may be anything: what can be stored is kept.
        return known[-min(proxies, len(known))].replace("\0", "")[:45]
    return peer
