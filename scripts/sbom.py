"""What the software is made of, as CycloneDX 1.6 in JSON (ECMA-424).

The locked Python packages, with the hashes by which they are installed; and, on the standard input, the packages of
systems, one a line: `deb NAME VERSION ARCHITECTURE`.

python scripts/sbom.py requirements.txt < packages.txt > sbom.cdx.json
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def locked(text: str) -> Iterator[dict[str, Any]]:
    """Each package of a lock. A hash is of one of its files: which one was installed depends on the machine."""
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if found := PINNED.match(block):
            name, version = re.sub(r"[-_.]+", "-", found[1]).lower(), found[2]
            yield {
                "type": "library",
                "bom-ref": (purl := f"pkg:pypi/{name}@{version}"),
                "name": name,
                "version": version,
                "purl": purl,
                "properties": [{"name": "pip:hash", "value": f"sha256:{one}"} for one in HASH.findall(block)],
            }


def of_system(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for kind, name, version, architecture in sorted({tuple(line.split()) for line in lines if line.strip()}):
        where = {"deb": "debian", "apk": "alpine"}[kind]
        yield {
            "type": "library",
            "bom-ref": (purl := f"pkg:{kind}/{where}/{name}@{quote(version)}?arch={architecture}"),
            "name": name,
            "version": version,
            "purl": purl,
        }


def bill(components: Iterable[dict[str, Any]], *, version: str) -> dict[str, Any]:
    listed = list({one["bom-ref"]: one for one in components}.values())
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same content has the same number.
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([version, listed]))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "trialsite",
                "name": "trialsite",
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": listed,
        "dependencies": [{"ref": "trialsite", "dependsOn": [one["bom-ref"] for one in listed]}],
    }


def main() -> None:
    version = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    texts = [Path(name).read_text(encoding="utf-8") for name in sys.argv[1:]]
    components = [*(one for text in texts for one in locked(text)), *of_system(sys.stdin)]
    json.dump(bill(components, version=version), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
