"""`krm-harden schema`: the policy's JSON Schema, the KRMFunctionDefinition that carries it, or a report's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden import __version__, schema
from krm_harden.commands import _streams
from krm_harden.commands._parser import make

if TYPE_CHECKING:
    import argparse

GROUP = "Policy"
SUMMARY = "print the JSON Schema of the policy, of reports or of inventories, or the KRMFunctionDefinition"
EXAMPLES = """\
examples:
  krm-harden schema > hardeningpolicy.json
  krm-harden schema --definition > krm-harden.yaml
  krm-harden schema --report > report.schema.json
  krm-harden schema --inventory > inventory.schema.json
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = make("schema", SUMMARY, EXAMPLES)
    what = options.add_mutually_exclusive_group()
    what.add_argument("--definition", action="store_true", help="the KRMFunctionDefinition, as YAML")
    what.add_argument("--report", action="store_true", help="the JSON Schema of a report in JSON")
    what.add_argument("--inventory", action="store_true", help="the JSON Schema of an Inventory (`check --inventory`)")
    return options


def run(options: argparse.Namespace) -> int:
    """0."""
    asked = {"definition": definition_text, "report": report_text, "inventory": inventory_text}
    made = next((text for name, text in asked.items() if getattr(options, name)), schema_text)
    _streams.print_report(made())
    return 0


def schema_text() -> str:
    """The policy's JSON Schema, as it is published in function/."""
    import json

    return json.dumps(schema.policy_schema(), indent=2) + "\n"


def report_text() -> str:
    """The JSON Schema of a report, as it is published in function/."""
    import json

    from krm_harden.reports import _schema

    return json.dumps(_schema.report_schema(), indent=2) + "\n"


def inventory_text() -> str:
    """The JSON Schema of an Inventory."""
    import json

    from krm_harden.fleet.inventory import inventory_schema

    return json.dumps(inventory_schema(), indent=2) + "\n"


def definition_text() -> str:
    """The KRMFunctionDefinition, as it is published in function/."""
    import yaml

    text = yaml.safe_dump(definition(), sort_keys=False, width=110, allow_unicode=True)
    return f"# Made by `krm-harden schema --definition`; don't edit.\n{text}"


def definition() -> dict[str, Any]:
    """The KRMFunctionDefinition (kustomize, KEP-2906)."""
    group = schema.API_VERSION.partition("/")[0]
    properties = {"metadata": {"type": "object"}, "spec": schema.spec_schema()}
    return {
        "apiVersion": "config.kubernetes.io/v1alpha1",
        "kind": "KRMFunctionDefinition",
        "metadata": {"name": f"hardeningpolicies.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": schema.KIND},
            "description": "Hardens everything that makes pods to the Pod Security Standard restricted.",
            "publisher": "krm-harden",
            "versions": [
                {
                    "name": version.partition("/")[2],
                    "idempotent": True,
                    "license": "Apache-2.0",
                    "usage": "https://krm-harden.dev/docs",
                    "runtime": {"exec": {"platforms": [{"bin": "krm-harden", "version": __version__}]}},
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
                }
                for version in schema.API_VERSIONS
            ],
        },
    }
