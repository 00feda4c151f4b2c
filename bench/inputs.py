"""Writes the benchmark's inputs: N Deployments, each with a name of its own, as kustomize hands them to a function.

    python bench/inputs.py 1000 > list.yaml                     one ResourceList
    python bench/inputs.py 200 --plain > manifests.yaml         plain manifests, to put through kustomize or kpt
    python bench/inputs.py 1000 --comments > list.yaml          with a kpt setter comment behind each image
    python bench/inputs.py 1000 --boutique kubernetes-manifests.yaml [--as-is] > list.yaml

They are copies of `shop.yaml`'s twelve, or of the Deployments of the Online Boutique's release (`--boutique`), whose
securityContext blocks are taken out unless `--as-is`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = Path(__file__).with_name("shop.yaml")
NAME = "NAME-OF-THE-COPY"
NUMBER = "NUMBER-OF-THE-COPY"
HEADER = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n"
CONFIG = """\
functionConfig:
  apiVersion: krm-harden.dev/v1alpha1
  kind: HardeningPolicy
  metadata:
    annotations:
      config.kubernetes.io/function: |
        exec:
          path: ./krm-harden
      config.kubernetes.io/local-config: "true"
    name: restricted
"""
# kustomize 5.8 sets these on what it hands over.
ANNOTATIONS = f"""\
    annotations:
      kustomize.config.k8s.io/id: |
        group: apps
        kind: Deployment
        name: {NAME}
        version: v1
      config.kubernetes.io/index: '{NUMBER}'
      internal.config.kubernetes.io/index: '{NUMBER}'
      internal.config.kubernetes.io/annotations-migration-resource-id: '{NUMBER}'
      internal.config.kubernetes.io/id: '{NUMBER}'
      config.k8s.io/id: '{NUMBER}'
"""


def deployments(file: Path, *, as_is: bool) -> list[dict[str, Any]]:
    """The Deployments of a file, without any securityContext unless `as_is`."""
    found = [
        data for data in yaml.load_all(file.read_bytes(), yaml.CSafeLoader) if data and data["kind"] == "Deployment"
    ]
    return found if as_is else [_without(data) for data in found]


def _without(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without(value) for key, value in data.items() if key != "securityContext"}
    return [_without(item) for item in data] if isinstance(data, list) else data


def template(data: dict[str, Any], *, comments: bool) -> tuple[str, str]:
    """A Deployment's name, and its text with placeholders: keys in the order of the alphabet, as kustomize writes them."""
    name = data["metadata"]["name"]
    data = {**data, "metadata": {**data["metadata"], "name": NAME}}
    text: str = yaml.dump(data, Dumper=yaml.CSafeDumper, width=10_000)
    if comments:
        lines = text.splitlines()
        text = "\n".join(line + (" # kpt-set: ${image}" if "image: " in line else "") for line in lines) + "\n"
    return name, text


def copies(templates: list[tuple[str, str]], count: int) -> Iterator[str]:
    """The first `count` of the templates' endless copies; the first of each keeps its name."""
    for number in range(count):
        name, text = templates[number % len(templates)]
        generation = number // len(templates)
        yield text.replace(NAME, f"{name}-{generation}" if generation else name).replace(NUMBER, str(number))


def as_item(text: str) -> str:
    """A manifest as an item of a list, with kustomize's annotations; those that it has already stay below them."""
    lines = [f"  {line}\n" for line in text.splitlines()]
    lines[0] = "- " + lines[0][2:]
    at = lines.index("  metadata:\n") + 1
    own = lines[at] == "    annotations:\n"
    return "".join([*lines[:at], ANNOTATIONS, *lines[at + own :]])


def resource_list(templates: list[tuple[str, str]], count: int) -> Iterator[str]:
    """The text of a ResourceList, in parts."""
    yield HEADER
    yield from copies([(name, as_item(text)) for name, text in templates], count)
    yield CONFIG


def plain(templates: list[tuple[str, str]], count: int) -> Iterator[str]:
    """The text of a stream of manifests, in parts."""
    for number, text in enumerate(copies(templates, count)):
        yield f"---\n{text}" if number else text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="how many Deployments")
    parser.add_argument("--plain", action="store_true", help="plain manifests in place of a ResourceList")
    parser.add_argument("--comments", action="store_true", help="a setter comment behind each image")
    parser.add_argument("--boutique", type=Path, metavar="FILE", help="the Online Boutique's kubernetes-manifests.yaml")
    parser.add_argument("--as-is", action="store_true", help="keep its securityContext blocks")
    options = parser.parse_args()
    found = deployments(options.boutique or SHOP, as_is=options.as_is)
    templates = [template(data, comments=options.comments) for data in found]
    write = plain if options.plain else resource_list
    sys.stdout.writelines(write(templates, options.count))


if __name__ == "__main__":
    main()
