"""Writes the benchmark's inputs: N Deployments, each with a name of its own, as kustomize hands them to a function.

    python bench/inputs.py 1000 > list.yaml                     one ResourceList
    python bench/inputs.py 200 --plain > manifests.yaml         plain manifests, to put through kustomize or kpt
    python bench/inputs.py 1000 --comments > list.yaml          with a kpt setter comment behind each image
    python bench/inputs.py 1000 --boutique kubernetes-manifests.yaml [--as-is] > list.yaml
    python bench/inputs.py 24 --crds 20 [--plain] > bundle.yaml     behind 20 MB of CustomResourceDefinitions
    python bench/inputs.py 5000 --folder manifests                  a file each, a Deployment and its Service, a hundred to a folder

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


def definitions(megabytes: float) -> Iterator[tuple[str, str]]:
    """CustomResourceDefinitions as generators write them, until that many megabytes of them: each some 200 KB."""
    written = number = 0
    while written < megabytes * 1_000_000:
        text = definition(number)
        yield f"things{number}.shop.example", text
        written += len(text)
        number += 1


def definition(number: int) -> str:
    """One CustomResourceDefinition: nested schemas, and a long description of every field."""
    head = f"""\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {NAME}
  labels:
    app: shop-operator
spec:
  group: shop.example
  names:
    kind: Thing{number}
    listKind: Thing{number}List
    plural: things{number}
    singular: thing{number}
  scope: Namespaced
  versions:
  - name: v1
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
"""
    return head + "".join(field(14, f"part{index}", 3) for index in range(14)) + "    served: true\n    storage: true\n"


def field(indent: int, name: str, depth: int) -> str:
    """A field of a schema, with fields of its own down to a depth."""
    margin = " " * indent
    text = (
        f"{margin}{name}:\n"
        f"{margin}  description: |-\n"
        f"{margin}    {name} says how the operator arranges this part of the thing. Cannot be updated.\n"
        f"{margin}    More info: https://shop.example/docs/things#{name}\n"
    )
    if not depth:
        return f"{text}{margin}  pattern: ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$\n{margin}  type: string\n"
    inner = "".join(field(indent + 4, f"{name}{letter}", depth - 1) for letter in "abcdef"[: depth + 1])
    return f"{text}{margin}  properties:\n{inner}{margin}  required:\n{margin}  - {name}a\n{margin}  type: object\n"


def service(name: str) -> str:
    """The Service of a Deployment."""
    return f"""\
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  selector:
    app: {name}
  ports:
  - port: 80
    targetPort: 8080
"""


def write_folder(folder: Path, templates: list[tuple[str, str]], count: int) -> None:
    """A file each, a hundred to a folder: a Deployment, and its Service behind it."""
    for number, text in enumerate(copies(templates, count)):
        path = folder / f"team-{number // 100:02}" / f"app-{number:05}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}---\n{service(f'app-{number}')}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="how many Deployments")
    parser.add_argument("--plain", action="store_true", help="plain manifests in place of a ResourceList")
    parser.add_argument("--comments", action="store_true", help="a setter comment behind each image")
    parser.add_argument("--boutique", type=Path, metavar="FILE", help="the Online Boutique's kubernetes-manifests.yaml")
    parser.add_argument("--as-is", action="store_true", help="keep its securityContext blocks")
    parser.add_argument(
        "--crds", type=float, metavar="MB", default=0, help="so much of CustomResourceDefinitions before"
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="write files below a folder")
    options = parser.parse_args()
    found = deployments(options.boutique or SHOP, as_is=options.as_is)
    templates = [template(data, comments=options.comments) for data in found]
    if options.folder:
        write_folder(options.folder, templates, options.count)
        return
    before = list(definitions(options.crds))
    # Each definition is a template that is copied once.
    write = plain if options.plain else resource_list
    sys.stdout.writelines(write([*before, *templates], len(before) + options.count))


if __name__ == "__main__":
    main()
