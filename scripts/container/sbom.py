# ruff: noqa: INP001, S603, S607 - a script of the build, which runs dpkg-query
"""A CycloneDX SBOM with Debian's packages added, on standard output: `sbom.py SBOM [PACKAGE...]`.

The SBOM is what cyclonedx-py says of the environment that krm-harden is in, or what this script made of it. krm-harden
becomes what the SBOM is of; the packages are described as dpkg does; the result is validated.
"""

import json
import platform
import subprocess
import sys
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

NAME = "krm-harden"
FIELDS = ("Package", "Version", "Architecture", "binary:Synopsis")


def main(path: str, *packages: str) -> int:
    bom = Bom.from_json(json.loads(Path(path).read_text()))
    root = bom.metadata.component or promoted(bom)
    found = of_debian(packages)
    bom.components.update(found)
    bom.register_dependency(root, found)
    text = repeatable(JsonV1Dot6(bom).output_as_string())
    if (error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        sys.exit(f"{sys.argv[0]}: error: the SBOM isn't valid: {error}")
    sys.stdout.write(f"{text}\n")
    return 0


def repeatable(text: str) -> str:
    """The same for the same parts: without the time, and the number that is another one each time."""
    data = json.loads(text)
    data.pop("serialNumber", None)
    data["metadata"].pop("timestamp", None)
    return json.dumps(data, indent=2)


def promoted(bom: Bom) -> Component:
    """krm-harden, no longer a part of the SBOM but what it is of."""
    root = next(component for component in bom.components if component.name == NAME)
    bom.components.remove(root)
    root.type = ComponentType.APPLICATION
    bom.metadata.component = root
    return root


def of_debian(packages: tuple[str, ...]) -> list[Component]:
    """A component for each of these packages, which are installed."""
    if not packages:
        return []  # without a name, dpkg-query would list all that is installed
    line = "\t".join(f"${{{field}}}" for field in FIELDS) + "\n"
    told = subprocess.run(["dpkg-query", "-W", f"-f={line}", *packages], capture_output=True, text=True, check=True)
    rows = [dict(zip(FIELDS, row.split("\t"), strict=True)) for row in told.stdout.splitlines()]
    return [_component(row) for row in rows]


def _component(row: dict[str, str]) -> Component:
    release = platform.freedesktop_os_release()
    distribution = f"{release['ID']}-{release['VERSION_ID']}"
    qualifiers = {"arch": row["Architecture"], "distro": distribution}
    purl = PackageURL("deb", release["ID"], row["Package"], row["Version"], qualifiers)
    return Component(
        name=row["Package"],
        version=row["Version"],
        description=row["binary:Synopsis"],
        purl=purl,
        bom_ref=purl.to_string(),
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
