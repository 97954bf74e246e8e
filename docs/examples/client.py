"""Keeps a copy of the study's rows: what a sponsor's program needs of the API, with the standard library alone.

    python client.py https://trialsite.example.org copy/ < token.txt

The first run reads everything. Each later run reads what has changed since, void rows included: each row takes the
place of the one with its id. Nothing is deleted at the site, so nothing has to be deleted here.
"""

import gzip
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESOURCES = ("participants", "visits", "infusions", "adverse-events", "measurements")
TIMES = 5


class Problem(Exception):
    """What the API answered in place of rows: `kind` is for programs, the text for people."""

    def __init__(self, said: dict[str, Any]) -> None:
        super().__init__(f"{said['title']}: {said['detail']}")
        self.kind = said["type"].strip("/").rsplit("/", 1)[-1]
        self.errors = said.get("errors", {})


class Api:
    def __init__(self, site: str, token: str) -> None:
        self.root, self.token = f"{site.rstrip('/')}/api/v1/", token
        # What we have of an address, by its ETag.
        self.known: dict[str, tuple[str, dict[str, Any]]] = {}

    def get(self, address: str) -> dict[str, Any]:
        """The answer to an address; asks again where it was asked too often."""
        for _time in range(TIMES):
            try:
                return self._get(address)
            except urllib.error.HTTPError as error:
                if error.code != 429:
                    raise Problem(json.loads(_text(error))) from None
                time.sleep(int(error.headers["Retry-After"]))
        raise TimeoutError(address)

    def _get(self, address: str) -> dict[str, Any]:
        headers = {"Authorization": f"Token {self.token}", "Accept-Encoding": "gzip"}
        tag, kept = self.known.get(address, ("", {}))
        if tag:
            headers["If-None-Match"] = tag
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as response:
                said: dict[str, Any] = json.loads(_text(response))
                self.known[address] = response.headers["ETag"], said
                return said
        except urllib.error.HTTPError as error:
            if error.code == 304:
                return kept
            raise

    def pages(self, resource: str, **asked: str) -> Iterator[dict[str, Any]]:
        """Every page of a look; all of them name the same `complete_until`."""
        address: str | None = f"{self.root}{resource}/?{urllib.parse.urlencode(asked)}"
        while address:
            page = self.get(address)
            yield page
            address = page["next"]


def _text(response: Any) -> str:
    body = response.read()
    return (gzip.decompress(body) if response.headers.get("Content-Encoding") == "gzip" else body).decode()


def keep(api: Api, resource: str, folder: Path) -> int:
    """Brings the copy of a resource up to date; how many rows came."""
    file = folder / f"{resource}.json"
    copy: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {"since": "", "rows": {}}
    asked = {"page_size": "1000", **({"modified_since": copy["since"]} if copy["since"] else {})}
    came = 0
    for page in api.pages(resource, **asked):
        copy["rows"] |= {str(row["id"]): row for row in page["results"]}
        came += len(page["results"])
        since = page["complete_until"]
    # Only now: a run that is broken off begins where the last whole one ended.
    copy["since"] = since
    file.write_text(json.dumps(copy, ensure_ascii=False))
    return came


def main() -> None:
    site, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(exist_ok=True)
    api = Api(site, sys.stdin.readline().strip())
    for resource in RESOURCES:
        print(f"{resource}: {keep(api, resource, folder)} rows")


if __name__ == "__main__":
    main()
