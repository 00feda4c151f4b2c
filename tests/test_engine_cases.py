"""Every shape of text that the engine was tried on: what becomes of it, or why it stays as it is.

A case is one text in the manner of a diff: lines after a blank stay, `+` lines are new, `-` lines go. Whatever changes
must also be stable, keep every old line, and mean the same to other readers.
"""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

import jsonpatch
import pytest
import ruamel.yaml
import yaml

from krm_harden import Policy, harden, split
from krm_harden import policy as policies
from krm_harden.engine import Engine
from krm_harden.errors import InputError

POD = " apiVersion: v1\n kind: Pod\n"
CONTAINER = POD + " spec:\n   containers:\n   - name: a\n     image: b\n"
SECCOMP = "seccompProfile"
ESCALATION = "allowPrivilegeEscalation"
DROP = "capabilities"
NON_ROOT = "runAsNonRoot"


def only(*controls: str, **spec: Any) -> Policy:
    """A policy with nothing but these controls: the smaller the change, the clearer the case."""
    spec = {"level": "baseline", "controls": {name: {"enabled": True} for name in controls}, **spec}
    return Policy.from_dict({"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "spec": spec})


def sides(diff: str) -> tuple[str, str]:
    """The texts before and after. An empty line stands for an empty line that stays."""
    lines = [line if line.strip() else f" {line}" for line in diff.splitlines(keepends=True)]
    assert {line[0] for line in lines} <= {" ", "+", "-"}, "each line of a case begins with a blank, + or -"
    return "".join(line[1:] for line in lines if line[0] != "+"), "".join(line[1:] for line in lines if line[0] != "-")


def pod(diff: str) -> str:
    return POD + diff


def container(diff: str) -> str:
    return CONTAINER + diff


def by_pyyaml(text: str) -> list[Any]:
    return list(yaml.load_all(text, yaml.CSafeLoader))


def by_ruamel(text: str) -> list[Any]:
    """YAML 1.2, with no tolerance for duplicate keys."""
    reader = ruamel.yaml.YAML(typ="safe", pure=True)
    reader.allow_duplicate_keys = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(reader.load_all(text))


READERS = (by_pyyaml, by_ruamel)


def unshared(data: Any) -> Any:
    """A copy in which aliases are written out, as Kubernetes sees them."""
    if isinstance(data, dict):
        return {key: unshared(value) for key, value in data.items()}
    return [unshared(item) for item in data] if isinstance(data, list) else copy.copy(data)


def objects(data: Any) -> list[dict[str, Any]]:
    """The objects of a document: itself, or the items of a list."""
    if not isinstance(data, dict):
        return []
    if str(data.get("kind", "")).endswith("List") and isinstance(data.get("items"), list):
        return [found for item in data["items"] for found in objects(item)]
    return [data]


def patched(documents: list[Any], result: Any) -> list[Any]:
    """Another reader's data with the operations of each resource applied, in order."""
    documents = [unshared(data) for data in documents]
    waiting = list(zip(result.resources, result.operations, strict=True))
    for data in documents:
        for found in objects(data):
            if waiting and found.get("kind") == waiting[0][0].resource.kind:
                resource, operations = waiting.pop(0)
                name = (found.get("metadata") or {}).get("name")
                assert (name or "") == resource.resource.name
                jsonpatch.apply_patch(found, operations, in_place=True)
    assert waiting == []
    return documents


def is_subsequence(old: list[str], new: list[str]) -> bool:
    rest = iter(new)
    return all(line in rest for line in old)


def assert_sound(before: str, policy: Policy | None, *, insert_only: bool = True) -> None:
    """What holds for every change, whatever it is."""
    result = harden(before, policy)
    after = result.text

    assert result.errors == ()
    assert harden(after, policy).text == after
    if insert_only:
        assert is_subsequence(before.splitlines(), after.splitlines())
    read = 0
    for reader in READERS:
        try:
            old = reader(before.lstrip("\ufeff"))
        except (yaml.YAMLError, ruamel.yaml.error.YAMLError):
            continue
        read += 1
        assert reader(after.lstrip("\ufeff")) == patched(old, result)
    assert read, "no other reader takes this case"


CHANGED = [
    # --- the plainest
    pytest.param(
        container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="container-and-pod",
    ),
    # --- comments
    pytest.param(
        container("""\
     # trailing about a
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
 metadata:
   name: p
"""),
        id="comment-at-the-container-stays-its-own",
    ),
    pytest.param(
        container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
   # about the pod
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
 # about metadata
 metadata:
   name: p
"""),
        id="comments-each-with-its-owner",
    ),
    pytest.param(
        container("""\
       # deeper than the container

     # at the container
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault

 # the end
"""),
        id="comments-and-blank-lines",
    ),
    pytest.param(
        pod("""\
 spec: # about spec
   # before containers
   containers: # the list
   # before a
   - name: a # its name
     # before image
     image: b # its image
+    securityContext:
+      allowPrivilegeEscalation: false
   # before c
   - name: c
     image: d
+    securityContext:
+      allowPrivilegeEscalation: false
   # after c
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="comments-everywhere",
    ),
    pytest.param(
        container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
   -
     # about c
     name: c
     image: d
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="comment-between-a-dash-and-its-first-key",
    ),
    pytest.param(
        container("""\
     securityContext:
+      allowPrivilegeEscalation: false
       # runAsUser: 1
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="empty-security-context-with-comment",
    ),
    pytest.param(
        container("""\
     securityContext:
+        allowPrivilegeEscalation: false
         # runAsUser: 1
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="empty-security-context-with-a-deeper-comment",
    ),
    pytest.param(
        container("""\
     securityContext: # none yet
+      allowPrivilegeEscalation: false
     # about tty
     tty: true
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="empty-security-context-with-a-comment-behind-it",
    ),
    pytest.param(
        pod("""\
 spec:
   securityContext:
+    seccompProfile:
+      type: RuntimeDefault
   # about containers
   containers:
   - name: a
     image: b
     securityContext:
       allowPrivilegeEscalation: false
"""),
        id="empty-security-context-before-a-sibling's-comment",
    ),
    # --- nothing, in its many forms
    pytest.param(
        container("""\
-    securityContext: {}
-  securityContext: {}
+    securityContext: {allowPrivilegeEscalation: false}
+  securityContext: {seccompProfile: {type: RuntimeDefault}}
"""),
        id="security-context-empty-flow",
    ),
    pytest.param(
        container("""\
-    securityContext: { }
-  securityContext: {  } # none
+    securityContext: {allowPrivilegeEscalation: false }
+  securityContext: {seccompProfile: {type: RuntimeDefault}  } # none
"""),
        id="security-context-empty-flow-with-blanks",
    ),
    pytest.param(
        container("""\
-    securityContext: null
-  securityContext: null # none
+    securityContext: {allowPrivilegeEscalation: false}
+  securityContext: {seccompProfile: {type: RuntimeDefault}} # none
"""),
        id="security-context-null",
    ),
    pytest.param(
        container("""\
-    securityContext: ~
-  securityContext: Null
+    securityContext: {allowPrivilegeEscalation: false}
+  securityContext: {seccompProfile: {type: RuntimeDefault}}
"""),
        id="security-context-tilde",
    ),
    pytest.param(
        pod("""\
 spec:
   containers:
-  - {name: a, image: b, securityContext: , tty: true}
-  - {name: c, image: d, securityContext: }
+  - {name: a, image: b, securityContext: {allowPrivilegeEscalation: false}, tty: true}
+  - {name: c, image: d, securityContext: {allowPrivilegeEscalation: false}}
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="security-context-without-value-in-flow-style",
    ),
    pytest.param(
        container("""\
     securityContext:
+      allowPrivilegeEscalation: false
   securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="security-context-without-value",
    ),
    pytest.param(
        container("""\
     securityContext: &sc
+      allowPrivilegeEscalation: false
   securityContext: &pod # of the pod
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="security-context-with-an-anchor-only",
    ),
    pytest.param(
        container("""\
     securityContext: &sc
       runAsUser: 5
+      allowPrivilegeEscalation: false
   securityContext: !!map
     runAsUser: 5
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="security-context-with-properties",
    ),
    pytest.param(
        container("""\
-    securityContext: &sc {}
+    securityContext: &sc {allowPrivilegeEscalation: false}
-  securityContext: !!map {runAsUser: 5}
+  securityContext: !!map {runAsUser: 5, seccompProfile: {type: RuntimeDefault}}
"""),
        id="security-context-with-properties-flow",
    ),
    # --- where keys begin
    pytest.param(
        pod("""\
 spec:
   containers:
   -
     name: a
     image: b
+    securityContext:
+      allowPrivilegeEscalation: false
   -   name: c
       image: d
+      securityContext:
+        allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="dashes-alone-and-wide",
    ),
    pytest.param(
        pod("""\
 spec:
    containers:
       - name: a
         image: b
+        securityContext:
+           allowPrivilegeEscalation: false
+   securityContext:
+      seccompProfile:
+         type: RuntimeDefault
"""),
        id="indented-by-three",
    ),
    pytest.param(
        pod("""\
 spec:
  containers:
  - name: a
    image: b
+   securityContext:
+    allowPrivilegeEscalation: false
+ securityContext:
+  seccompProfile:
+   type: RuntimeDefault
"""),
        id="indented-by-one",
    ),
    pytest.param(
        pod("""\
 metadata:
     labels:
         a: b
 spec:
     containers:
     -   name: a
         image: b
+        securityContext:
+            allowPrivilegeEscalation: false
+    securityContext:
+        seccompProfile:
+            type: RuntimeDefault
"""),
        id="indented-by-four-compact-lists",
    ),
    pytest.param(
        pod("""\
 metadata:
     labels:
         a: b
 spec:
     containers:
         - name: a
           image: b
+          securityContext:
+              allowPrivilegeEscalation: false
+    securityContext:
+        seccompProfile:
+            type: RuntimeDefault
"""),
        id="indented-by-four-indented-lists",
    ),
    pytest.param(
        pod("""\
 spec:
         containers:
               - name: a
                 image: b
+                securityContext:
+                        allowPrivilegeEscalation: false
+        securityContext:
+                seccompProfile:
+                        type: RuntimeDefault
"""),
        id="indented-by-eight",
    ),
    pytest.param(
        pod("""\
 metadata:
   annotations: {"yes": x, 1: y, yes: z, 0755: on}
   labels:
     a:\t12:30:45
     b: 1e3
     c: 😀 # 😀
     2: 2026-01-01
     "\\u0063c": &y y
 x: [*y, 0o14, 1_000, .5]
 spec:
   containers:
   - image: b
     "name": a
     'args': ["1"]
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="scalars-on-which-readers-disagree",
    ),
    pytest.param(
        pod("""\
 x:
 - - a
   - - b
 - ? c
   : d
 spec:
   containers:
   - name: a
     image: b
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="nested-sequences-beside-it",
    ),
    # --- flow style
    pytest.param(
        pod("""\
-spec: {containers: [{name: a, image: b}]}
+spec: {containers: [{name: a, image: b, securityContext: {allowPrivilegeEscalation: false}}], securityContext: {seccompProfile: {type: RuntimeDefault}}}
"""),
        id="flow-on-one-line",
    ),
    pytest.param(
        pod("""\
 spec:
   containers:
-  - {name: a, image: b # c
+  - {name: a, image: b, securityContext: {allowPrivilegeEscalation: false} # c
     }
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="flow-with-a-comment-before-its-end",
    ),
    pytest.param(
        pod("""\
 spec:
   containers:
-  - {name: a, image: }
+  - {name: a, image: , securityContext: {allowPrivilegeEscalation: false}}
-  - {name: c, image: d, "tty":}
+  - {name: c, image: d, "tty": , securityContext: {allowPrivilegeEscalation: false}}
-  - {name: e, image: f, tty}
+  - {name: e, image: f, tty, securityContext: {allowPrivilegeEscalation: false}}
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="flow-with-an-empty-value-last",
    ),
    pytest.param(
        pod("""\
 spec: {
   containers: [
     {
       name: a,
-      image: b
+      image: b,
+      securityContext: {
+        allowPrivilegeEscalation: false
+      }
     }
-  ]
+  ],
+  securityContext: {
+    seccompProfile: {
+      type: RuntimeDefault
+    }
+  }
 }
"""),
        id="flow-on-many-lines",
    ),
    pytest.param(
        pod("""\
 spec:
   containers: [
     {name: a,
-     image: b, # the image
+     image: b, securityContext: {allowPrivilegeEscalation: false}, # the image
     },
   ]
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="flow-with-a-comma-last",
    ),
    pytest.param(
        pod("""\
-spec: {"containers": [{"name": "a", "image": "b"}]}
+spec: {"containers": [{"name": "a", "image": "b", "securityContext": {"allowPrivilegeEscalation": false}}], "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
"""),
        id="flow-with-quoted-keys",
    ),
    # --- markers, directives, tags elsewhere
    pytest.param(
        " %YAML 1.1\n --- # x\n"
        + container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
 ...
 # after
 ---
 a: b
"""),
        id="directive-and-end-marker",
    ),
    pytest.param(
        """\
 # before
-
---- {apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: b}]}}
+
+--- {apiVersion: v1, kind: Pod, spec: {containers: [{name: a, image: b, securityContext: {allowPrivilegeEscalation: false}}], securityContext: {seccompProfile: {type: RuntimeDefault}}}}
 ---
 a: b
""",
        id="flow-behind-the-marker",
    ),
    pytest.param(
        " --- !!map\n"
        + container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="tag-behind-the-marker",
    ),
    pytest.param(
        " --- &doc # x\n"
        + container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
 --- |
  text
 ---
 ...
"""),
        id="anchor-behind-the-marker",
    ),
    # --- anchors that all want the same
    pytest.param(
        pod("""\
 spec:
   containers:
   - name: a
     image: b
     securityContext: &sc
       runAsUser: 5
+      allowPrivilegeEscalation: false
   - name: c
     image: d
     securityContext: *sc
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="shared-anchor-one-edit",
    ),
    pytest.param(
        pod("""\
 spec:
   containers:
   - name: a
     image: b
-    securityContext: &sc {}
+    securityContext: &sc {allowPrivilegeEscalation: false}
   - name: c
     image: d
     securityContext: *sc # shared
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="shared-empty-flow-one-edit",
    ),
    pytest.param(
        pod("""\
 x-base: &base
   tty: true
 spec:
   containers:
   - <<: *base
     name: a
     image: b
+    securityContext:
+      allowPrivilegeEscalation: false
   - name: c
     image: d
     <<: [*base]
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="merge-beside-it",
    ),
    pytest.param(
        pod("""\
 spec:
   containers:
   - &a
     name: a
     image: b
+    securityContext:
+      allowPrivilegeEscalation: false
   - &c name: c
     image: d
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="anchored-containers",
    ),
    pytest.param(
        pod("""\
 spec:
   containers:
   - name: a
     image: b
     env: &env
     - {name: x, value: y}
+    securityContext:
+      allowPrivilegeEscalation: false
   - name: c
     image: d
     env: *env
+    securityContext:
+      allowPrivilegeEscalation: false
   hostname: &h h
   subdomain: *h # the same
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="alias-last",
    ),
    # --- lists of objects
    pytest.param(
        """\
 apiVersion: config.kubernetes.io/v1
 kind: ResourceList
 items:
 # first
 - apiVersion: v1
   kind: Pod
   spec:
     containers:
     - name: a
       image: b
+      securityContext:
+        allowPrivilegeEscalation: false
+    securityContext:
+      seccompProfile:
+        type: RuntimeDefault
 # second
 - kind: ConfigMap
   apiVersion: v1
   data: {x: "---"}
 - apiVersion: v1
   kind: Pod
   metadata: {name: third}
   spec:
     containers:
     - name: a
       image: b
+      securityContext:
+        allowPrivilegeEscalation: false
+    securityContext:
+      seccompProfile:
+        type: RuntimeDefault
 # the rest
 functionConfig: {kind: X}
""",
        id="resource-list",
    ),
    pytest.param(
        """\
 apiVersion: v1
 kind: List
 items:
   - apiVersion: v1
     kind: Pod
     spec:
       containers:
         - name: a
           image: b
+          securityContext:
+            allowPrivilegeEscalation: false
+      securityContext:
+        seccompProfile:
+          type: RuntimeDefault
   - apiVersion: v1
     kind: List
     items:
     - apiVersion: v1
       kind: Pod
       spec:
         containers:
         - name: a
           image: b
+          securityContext:
+            allowPrivilegeEscalation: false
+        securityContext:
+          seccompProfile:
+            type: RuntimeDefault
""",
        id="list-in-a-list",
    ),
    pytest.param(
        """\
 apiVersion: config.kubernetes.io/v1
 kind: ResourceList
 items:
-- {"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"b"}]}}
+- {"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"b", "securityContext": {"allowPrivilegeEscalation": false}}], "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}}
""",
        id="json-as-an-item",
    ),
    # --- JSON
    pytest.param(
        """\
-{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"b"}]}}
+{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"b","securityContext":{"allowPrivilegeEscalation":false}}],"securityContext":{"seccompProfile":{"type":"RuntimeDefault"}}}}
""",
        id="json-compact",
    ),
    pytest.param(
        """\
-{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": "b"}]}}
+{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": "b", "securityContext": {"allowPrivilegeEscalation": false}}], "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}}
""",
        id="json-on-one-line",
    ),
    pytest.param(
        """\
 {
   "apiVersion": "v1",
   "kind": "Pod",
   "spec": {
     "containers": [
       {
         "name": "a",
-        "image": "b"
+        "image": "b",
+        "securityContext": {
+          "allowPrivilegeEscalation": false
+        }
       }
-    ]
+    ],
+    "securityContext": {
+      "seccompProfile": {
+        "type": "RuntimeDefault"
+      }
+    }
   }
 }
""",
        id="json-pretty",
    ),
    pytest.param(
        """\
 {
     "kind": "List",
     "apiVersion": "v1",
     "items": [
         {
             "apiVersion": "v1",
             "kind": "Pod",
             "spec": {
                 "containers": [
-                    {"name": "a", "image": "b"}
-                ]
+                    {"name": "a", "image": "b", "securityContext": {"allowPrivilegeEscalation": false}}
+                ],
+                "securityContext": {
+                    "seccompProfile": {
+                        "type": "RuntimeDefault"
+                    }
+                }
             }
         }
     ]
 }
""",
        id="json-list-indented-by-four",
    ),
    pytest.param(
        """\
-{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"a":"\\ud83d\\ude00 \\\\ud83d"}},"spec":{"containers":[{"name":"a","image":"b","securityContext":{}}]}}
+{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"a":"\\ud83d\\ude00 \\\\ud83d"}},"spec":{"containers":[{"name":"a","image":"b","securityContext":{"allowPrivilegeEscalation":false}}],"securityContext":{"seccompProfile":{"type":"RuntimeDefault"}}}}
""",
        id="json-with-surrogate-escapes",
    ),
]


BEHIND_SCALARS = [
    pytest.param(
        container("""\
     terminationMessagePath: |
       x
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="literal-last",
    ),
    pytest.param(
        container("""\
     args:
     - |-
       x

       y
+    securityContext:
+      allowPrivilegeEscalation: false
   hostname: >-
     h
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="stripped-scalars-last",
    ),
    pytest.param(
        container("""\
     args:
     - |+
       x


+    securityContext:
+      allowPrivilegeEscalation: false
   subdomain: >+
     h

+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="kept-scalars-last",
    ),
    pytest.param(
        container("""\
     args:
     - |2+
         x

+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
 metadata: {name: p}
"""),
        id="kept-scalar-with-an-indentation-indicator",
    ),
    pytest.param(
        container("""\
     args:
     - |
       -----BEGIN CERTIFICATE-----
       --- not a marker
       ---
       -----END CERTIFICATE-----
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="pem-in-a-block-scalar",
    ),
    pytest.param(
        container("""\
     args:
     - |
       # no comment
       securityContext: {}
     # a comment
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
"""),
        id="block-scalar-then-a-comment",
    ),
]


@pytest.mark.parametrize("diff", CHANGED + BEHIND_SCALARS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_changed(diff, newline):
    policy = only(SECCOMP, ESCALATION)
    before, after = (text.replace("\n", newline) for text in sides(diff))

    assert after == harden(before, policy).text
    assert_sound(before, policy, insert_only=not any(line.startswith("-") for line in diff.splitlines()))


@pytest.mark.parametrize("diff", CHANGED)
def test_changed_without_a_final_line_break(diff):
    before, after = (text.removesuffix("\n") for text in sides(diff))
    result = harden(before, only(SECCOMP, ESCALATION))

    assert (after, ()) == (result.text, result.errors)


BY_POLICY = [
    # --- lists, item by item
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
         drop:
         - NET_RAW # why
+        - ALL
         # the end of drop's neighbours
         add: [NET_BIND_SERVICE]
"""),
        id="drop-with-comments-compact",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
         drop:
           - NET_RAW # why
           # about the list
+          - ALL
         add:
           - NET_BIND_SERVICE
"""),
        id="drop-with-comments-indented",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
         drop:
         # first
-        - all # was lower case
+        - ALL # was lower case
         - NET_RAW
"""),
        id="drop-all-in-lower-case",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
-        drop: [ 'NET_RAW', "all" ] # both
+        drop: [ 'NET_RAW', "ALL" ] # both
"""),
        id="drop-all-in-lower-case-quoted",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
-        drop: ['NET_RAW'] # why
+        drop: ['NET_RAW', 'ALL'] # why
"""),
        id="drop-in-flow-style",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
         drop:
         - "NET_RAW"
+        - "ALL"
"""),
        id="drop-with-the-neighbour's-quotes",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
         drop:
         -   NET_RAW
+        -   ALL
"""),
        id="drop-with-a-wide-dash",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
         drop:
         - NET_RAW
+        - ALL
         # - SYS_TIME
"""),
        id="drop-with-a-commented-item-last",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
-        drop: []
+        drop: [ALL]
"""),
        id="drop-empty",
    ),
    pytest.param(
        only(DROP),
        container("""\
     securityContext:
       capabilities:
         drop:
+        - ALL
         # - SYS_TIME
"""),
        id="drop-without-value",
    ),
    pytest.param(
        only(DROP),
        pod("""\
 spec:
     containers:
         - name: a
           image: b
           args:
               - c
+          securityContext:
+              capabilities:
+                  drop:
+                      - ALL
"""),
        id="new-list-with-the-neighbour's-offset",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext:
       capabilities:
         drop: [ALL]
         add:
         # kept
         - NET_BIND_SERVICE
-        - SYS_ADMIN # for no reason
"""),
        id="added-capability-removed-with-its-comment",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext:
       capabilities:
         drop: [ALL]
-        add: [SYS_ADMIN, NET_BIND_SERVICE, SYS_TIME] # some
+        add: [NET_BIND_SERVICE] # some
"""),
        id="added-capabilities-removed-in-flow-style",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext:
       capabilities:
         drop: [ALL]
-        add:
-        - SYS_ADMIN
       runAsUser: 5
"""),
        id="all-added-capabilities-removed",
    ),
    # --- removals and additions together
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext:
       capabilities:
-        add: [SYS_ADMIN]
+        drop:
+        - ALL
"""),
        id="only-entry-makes-room",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext:
       capabilities: # what it may do
         # for fuse
-        add:
-        # really
-        - SYS_ADMIN # yes
-        - SYS_TIME
+        drop:
+        - ALL
       runAsUser: 5
"""),
        id="only-block-makes-room-and-takes-its-comments-along",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
-    securityContext: {capabilities: {add: [SYS_ADMIN]}}
+    securityContext: {capabilities: {drop: [ALL]}}
"""),
        id="only-entry-makes-room-in-flow-style",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext: {
       capabilities: {
-        add: [SYS_ADMIN] # for fuse
+        drop: [
+          ALL
+        ]
       } # end
     }
"""),
        id="only-entry-makes-room-in-flow-style-on-several-lines",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext:
       capabilities:
         drop:
         - KILL
-        add:
-        - SYS_ADMIN
+        - ALL
         # about capabilities
       runAsUser: 5
"""),
        id="item-comes-where-the-next-entry-goes",
    ),
    pytest.param(
        only(DROP, explicit="override"),
        container("""\
     securityContext:
       capabilities:
         add: [NET_BIND_SERVICE]
+        drop:
+        - ALL
   - name: c
     image: d
     securityContext:
       capabilities:
-        add:
-        - SYS_ADMIN
         drop:
         - ALL
   - name: e
     image: f
+    securityContext:
+      capabilities:
+        drop:
+        - ALL
"""),
        id="removed-from-one-container-and-added-to-the-next",
    ),
    pytest.param(
        only("capabilities_baseline", explicit="override"),
        container("""\
     securityContext:
-      capabilities:
-        add:
-        - SYS_ADMIN
       runAsUser: 5
"""),
        id="nothing-is-left-of-an-empty-mapping",
    ),
    pytest.param(
        only(DROP, SECCOMP),
        container("""\
     env:
     - name: A
       valueFrom:
         secretKeyRef:
           name: n
           key: k
     securityContext:
       capabilities:
         drop:
-        - all
+        - ALL
-  securityContext: {}
+  securityContext: {seccompProfile: {type: RuntimeDefault}}
"""),
        id="one-line-changed-beside-a-field-named-key",
    ),
    # --- scalars
    pytest.param(
        only(NON_ROOT, explicit="override"),
        container("""\
   securityContext:
-    runAsNonRoot: false # why
+    runAsNonRoot: true # why
"""),
        id="explicit-false",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        container("""\
   securityContext:
-    runAsNonRoot: >-
-      false
+    runAsNonRoot: true
     # why
     runAsUser: 5
"""),
        id="folded-scalar",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        container("""\
   securityContext:
-    runAsNonRoot: |+ # a string
-      false
+    runAsNonRoot: true # a string

   hostname: h
"""),
        id="kept-scalar-with-a-comment-behind-its-header",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        container("""\
   securityContext:
-    runAsNonRoot: "fal\\
-      se"
+    runAsNonRoot: true
"""),
        id="quoted-scalar-on-two-lines",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        container("""\
   securityContext:
-    runAsNonRoot: &a false
+    runAsNonRoot: &a true
"""),
        id="anchored-scalar",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        container("""\
     securityContext:
-      runAsNonRoot: &a !!bool no
+      runAsNonRoot: &a !!bool true
   - name: c
     image: d
     securityContext:
       runAsNonRoot: *a
"""),
        id="shared-scalar-all-want-the-same",
    ),
    pytest.param(
        only(SECCOMP, explicit="override"),
        container("""\
   securityContext:
     seccompProfile:
-      type: 'Unconfined' # why
-      localhostProfile: x.json
+      type: 'RuntimeDefault' # why
"""),
        id="quotes-kept-and-a-key-removed",
    ),
    # --- complex keys
    pytest.param(
        only(ESCALATION),
        pod("""\
 spec:
   ? containers
   :
     - name: a
       image: b
+      securityContext:
+          allowPrivilegeEscalation: false
"""),
        id="complex-key-with-its-value-below",
    ),
    pytest.param(
        only(ESCALATION),
        pod("""\
 spec:
   ? containers
   : - name: a
       image: b
+      securityContext:
+          allowPrivilegeEscalation: false
"""),
        id="complex-key",
    ),
    # --- the text ends within a block scalar
    pytest.param(
        only(ESCALATION),
        container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
     terminationMessagePath: |
       x
""").removesuffix("\n"),
        id="literal-at-the-end-without-line-break",
    ),
    pytest.param(
        only(ESCALATION),
        container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
     # why
     args:
     - z
     - >-
       x
""").removesuffix("\n"),
        id="folded-item-at-the-end-without-line-break",
    ),
    pytest.param(
        only(ESCALATION, SECCOMP),
        container("""\
     securityContext: &sc
       runAsUser: 5
+      allowPrivilegeEscalation: false
   - name: c
     image: d
     securityContext: *sc
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
   hostname: |
       x
""").removesuffix("\n"),
        id="alias-before-the-scalar-at-the-end-without-line-break",
    ),
    # --- a base that is a container itself
    pytest.param(
        only(ESCALATION),
        pod("""\
 spec:
   containers:
   - &a
     name: a
     image: b
     securityContext:
       runAsUser: 5
+      allowPrivilegeEscalation: false
   - <<: *a
     name: c
"""),
        id="merged-security-context-of-another-container",
    ),
    pytest.param(
        only(ESCALATION, explicit="override"),
        pod("""\
 spec:
   containers:
   - &a
     name: a
     image: b
     securityContext:
-      allowPrivilegeEscalation: true
+      allowPrivilegeEscalation: false
   - <<: *a
     name: c
"""),
        id="merged-explicit-value-of-another-container",
    ),
    # --- everything
    pytest.param(
        None,
        container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
+      capabilities:
+        drop:
+        - ALL
+      readOnlyRootFilesystem: true
+    volumeMounts:
+    - name: krm-harden-a-tmp
+      mountPath: /tmp
+  securityContext:
+    runAsUser: 10001
+    runAsNonRoot: true
+    seccompProfile:
+      type: RuntimeDefault
+  volumes:
+  - name: krm-harden-a-tmp
+    emptyDir: {}
"""),
        id="all-defaults",
    ),
    pytest.param(
        None,
        pod("""\
 spec:
     volumes: # mine
         - name: v
           emptyDir: {}
         # - name: w
+        - name: krm-harden-a-tmp
+          emptyDir: {}
     containers:
         - name: a
           image: b
           volumeMounts:
               - mountPath: /v
                 name: v # mine
+              - name: krm-harden-a-tmp
+                mountPath: /tmp
+          securityContext:
+              allowPrivilegeEscalation: false
+              capabilities:
+                  drop:
+                      - ALL
+              readOnlyRootFilesystem: true
+    securityContext:
+        runAsUser: 10001
+        runAsNonRoot: true
+        seccompProfile:
+            type: RuntimeDefault
"""),
        id="all-defaults-beside-volumes",
    ),
    pytest.param(
        None,
        pod("""\
 spec:
     containers:
     -   name: a
         image: b
+        securityContext:
+            allowPrivilegeEscalation: false
+            capabilities:
+                drop:
+                -   ALL
+            readOnlyRootFilesystem: true
+        volumeMounts:
+        -   name: krm-harden-a-tmp
+            mountPath: /tmp
+    securityContext:
+        runAsUser: 10001
+        runAsNonRoot: true
+        seccompProfile:
+            type: RuntimeDefault
+    volumes:
+    -   name: krm-harden-a-tmp
+        emptyDir: {}
"""),
        id="all-defaults-with-wide-dashes",
    ),
]


@pytest.mark.parametrize(("policy", "diff"), BY_POLICY)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_changed_by_policy(policy, diff, newline):
    before, after = (text.replace("\n", newline) for text in sides(diff))

    assert after == harden(before, policy).text
    assert_sound(before, policy, insert_only=not any(line.startswith("-") for line in diff.splitlines()))


REFUSED = [
    # --- what can't be edited safely
    pytest.param(
        only(ESCALATION),
        pod(" spec:\n   containers:\n   - image: |-\n       b"),
        "the text ends within a block scalar; end the file with a line break",
        id="only-key-ends-without-line-break",
    ),
    pytest.param(
        only(DROP),
        container("     securityContext:\n       capabilities:\n         drop:\n         - |-\n           NET_RAW"),
        "the text ends within a block scalar; end the file with a line break",
        id="item-ends-without-line-break",
    ),
    pytest.param(
        only(ESCALATION),
        pod(" spec: {containers: [image: b]}\n"),
        "without braces",
        id="single-pair-in-a-flow-sequence",
    ),
    pytest.param(
        only(SECCOMP),
        pod(" spec:\n   ? containers\n   : [{name: a, image: b}]\n"),
        "the mapping begins in the middle of a line",
        id="complex-key-is-the-mapping's-first",
    ),
    pytest.param(
        only(SECCOMP),
        pod(" spec: !foo\n   containers: [{name: a, image: b}]\n"),
        "the tag !foo on the way to the field",
        id="custom-tag-on-the-way",
    ),
    pytest.param(
        only(ESCALATION),
        pod(" spec:\n   containers:\n   - name: a\n     image: b\n     securityContext: !foo\n       runAsUser: 5\n"),
        "the tag !foo on the way to the field",
        id="custom-tag-on-the-collection",
    ),
    pytest.param(
        only(SECCOMP),
        " %TAG ! tag:example.org,2000:\n ---\n" + container(""),
        "a %TAG directive gives tags another meaning",
        id="tag-directive",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        container("""\
   securityContext:
     runAsNonRoot:
       a: b
"""),
        "cannot read spec.securityContext.runAsNonRoot: it must be true or false",
        id="block-of-a-wrong-type",
    ),
    # --- shared nodes
    pytest.param(
        only(SECCOMP, ESCALATION),
        container("""\
     securityContext: &sc
       runAsUser: 5
   securityContext: *sc
"""),
        "&sc is used in several places that don't all need the same change; write the field out where it differs",
        id="anchor-shared-by-pod-and-container",
    ),
    pytest.param(
        only(SECCOMP, ESCALATION),
        container("""\
     securityContext: &sc {}
   securityContext: *sc
"""),
        "&sc is used in several places",
        id="empty-anchor-shared-by-pod-and-container",
    ),
    pytest.param(
        only(SECCOMP, ESCALATION),
        container("""\
     securityContext: &sc
   securityContext: *sc
"""),
        "&sc is used in several places",
        id="null-anchor-shared-by-pod-and-container",
    ),
    pytest.param(
        only(ESCALATION),
        pod("""\
 x-base: &base
   securityContext:
     runAsUser: 5
 spec:
   containers:
   - <<: *base
     name: a
     image: b
"""),
        "&base is used in several places",
        id="merged-security-context",
    ),
    pytest.param(
        only(ESCALATION),
        pod("""\
 x-base: &base {securityContext: &sc {runAsUser: 5}}
 spec:
   containers:
   - <<: *base
     name: a
     image: b
"""),
        "&base is used in several places",
        id="merged-security-context-with-an-anchor-of-its-own",
    ),
    pytest.param(
        only(ESCALATION, explicit="override"),
        pod("""\
 x-sc: &sc {allowPrivilegeEscalation: true, runAsUser: 5}
 spec:
   containers:
   - name: a
     image: b
     securityContext:
       <<: *sc
       runAsUser: 6
"""),
        "&sc is used in several places",
        id="write-that-would-override-a-merged-key",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        pod("""\
 metadata: {annotations: {a: &no false}}
 spec:
   containers: [{name: a, image: b}]
   securityContext:
     runAsNonRoot: *no
"""),
        "&no is used in several places",
        id="shared-scalar",
    ),
    pytest.param(
        only(NON_ROOT, explicit="override"),
        pod("""\
 metadata: {annotations: {a: &no false}}
 spec:
   containers: [{name: a, image: b}]
   securityContext: {runAsUser: 5, runAsNonRoot: *no}
"""),
        "&no is used in several places",
        id="shared-scalar-in-flow-style",
    ),
    pytest.param(
        only(ESCALATION),
        pod("""\
 metadata: {name: a}
 x: &c
 - name: a
   image: b
 spec:
   containers: *c
"""),
        "&c is used in several places",
        id="containers-shared-with-something-else",
    ),
    # --- duplicate keys
    pytest.param(
        only(ESCALATION),
        container("""\
     securityContext:
       privileged: true
     securityContext:
       runAsUser: 5
"""),
        "line 9: Pod: the key 'securityContext' stands twice in one mapping, first on line 7",
        id="duplicate-security-context",
    ),
    pytest.param(
        only(ESCALATION),
        pod(" metadata:\n   labels:\n     1: a\n     '1': b\n") + container("").removeprefix(POD),
        "line 6: Pod: the key '1' stands twice in one mapping, first on line 5",
        id="duplicate-number-and-string",
    ),
    pytest.param(
        only(ESCALATION),
        pod(" metadata: {labels: {yes: a, on: b}}\n") + container("").removeprefix(POD),
        "line 3: Pod: the key 'true' stands twice in one mapping, first on line 3",
        id="duplicate-booleans",
    ),
    pytest.param(
        only(ESCALATION),
        ' {"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","image":"b",\n "image":"c"}]}}\n',
        "line 2: Pod: the key 'image' stands twice in one mapping, first on line 1",
        id="duplicate-in-json",
    ),
    # --- what isn't YAML to every reader
    pytest.param(only(ESCALATION), pod(" a:\n \tb: x\n"), "line 4, column 1: not YAML: ", id="tab-as-indentation"),
    pytest.param(only(ESCALATION), pod(" a:\n -\tb: c\n"), "line 4, column 2: not YAML: ", id="tab-behind-a-dash"),
    pytest.param(
        only(ESCALATION),
        container("   a: *b\n"),
        "line 7, column 6: not YAML: found undefined alias",
        id="undefined-alias",
    ),
    pytest.param(only(ESCALATION), container("   a: 'b\n"), "not YAML: ", id="open-quote"),
    pytest.param(only(ESCALATION), pod(" ? [x, y]\n : z\n"), "a key that isn't a scalar", id="key-that-isn't-a-scalar"),
    pytest.param(only(ESCALATION), pod(" a: &a\n   b: *a\n"), "an anchor contains itself", id="anchor-in-itself"),
    pytest.param(only(ESCALATION), pod(" a: &a b\n <<: *a\n"), "a merge key needs a mapping", id="merge-of-a-scalar"),
    pytest.param(
        only(ESCALATION),
        container("").replace(POD, POD + " x: " + "[" * 400 + "]" * 400 + "\n"),
        "levels deep",
        id="too-deep",
    ),
    pytest.param(
        only(ESCALATION),
        pod(" a: &a [" + ", ".join("x" * 20) + "]\n")
        + "".join(f" {new}: &{new} [{', '.join([f'*{old}'] * 20)}]\n" for old, new in ("ab", "bc", "cd"))
        + container("").removeprefix(POD),
        "aliases and merge keys expand to more than 10000 nodes",
        id="too-many-aliases",
    ),
    # --- values that the API can't decode
    pytest.param(
        only(SECCOMP),
        container("   securityContext: !!map\n"),
        "line 7: Pod: cannot read spec.securityContext: it must be a mapping",
        id="tagged-as-a-map-and-empty",
    ),
    pytest.param(
        only(SECCOMP),
        pod(" spec: [a]\n"),
        "line 3: Pod: cannot read spec: it must be a mapping",
        id="spec-is-a-list",
    ),
]


@pytest.mark.parametrize(("policy", "text", "message"), REFUSED)
def test_refused(policy, text, message):
    before, _ = sides(text)
    result = harden(before, policy)

    assert before == result.text
    assert len(result.errors) == 1
    assert message in result.errors[0]
    assert all(finding.state != "fixed" for finding in result.findings)


UNREAD = [
    pytest.param(" spec: # todo\n", "cannot read spec", id="spec-without-value"),
    pytest.param(" spec: null\n", "cannot read spec", id="spec-null"),
    pytest.param(" metadata: {name: p}\n", "cannot read spec", id="spec-absent"),
    pytest.param(" spec: {containers: []}\n", "", id="no-containers"),
    pytest.param(" spec: {containers: }\n", "", id="containers-null"),
    pytest.param(" spec: {containers: [{name: a, tty: true}]}\n", "a kustomize patch", id="a-patch"),
    pytest.param(" spec: {{ .Values.spec }}\n a: b: c\n", "a template, not YAML", id="a-template"),
]


@pytest.mark.parametrize(("diff", "note"), UNREAD)
def test_left_alone_and_named(diff, note):
    before, _ = sides(pod(diff))
    result = harden(before)

    assert (before, ()) == (result.text, result.errors)
    assert any(note in found.reason for found in result.unexamined) or not note


EXAMPLE, HARDENED = sides(
    container("""\
+    securityContext:
+      allowPrivilegeEscalation: false
+  securityContext:
+    seccompProfile:
+      type: RuntimeDefault
 # 😀 é
""")
)


@pytest.mark.parametrize(
    ("bom", "codec"),
    [
        pytest.param(b"", "utf-8", id="utf-8"),
        pytest.param(b"\xef\xbb\xbf", "utf-8", id="utf-8-bom"),
        pytest.param(b"\xff\xfe", "utf-16-le", id="utf-16-le"),
        pytest.param(b"\xfe\xff", "utf-16-be", id="utf-16-be"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_encodings(bom, codec, newline):
    before, after = (bom + text.replace("\n", newline).encode(codec) for text in (EXAMPLE, HARDENED))
    data, encoding = split.decode(before)
    engine = Engine(only(SECCOMP, ESCALATION)._policy)

    assert after == encoding.encode(b"".join(chunk.text for chunk in engine.run(data)))


def test_byte_order_mark_in_a_str():
    assert harden("\ufeff" + EXAMPLE, only(SECCOMP, ESCALATION)).text == "\ufeff" + HARDENED


def test_byte_order_mark_behind_a_marker():
    before, after = (f"a: b\n---\n\ufeff{text}" for text in (EXAMPLE, HARDENED))

    assert after == harden(before, only(SECCOMP, ESCALATION)).text


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(EXAMPLE.encode("utf-16-le"), id="utf-16-le-without-mark"),
        pytest.param(EXAMPLE.encode("utf-16-be"), id="utf-16-be-without-mark"),
        pytest.param(b"\xff\xfe" + b"\x00\xd8", id="broken-utf-16"),
        pytest.param(EXAMPLE.encode() + b"a: \x00", id="nul"),
        pytest.param(EXAMPLE.encode() + b"a: \x7f", id="del"),
        pytest.param(EXAMPLE.encode() + b"# \x1b[0m", id="esc"),
        pytest.param(EXAMPLE.encode() + b"a: \xff", id="latin-1"),
    ],
)
def test_not_text(data):
    with pytest.raises(InputError, match="not text that Kubernetes reads"):
        harden(data)


def test_mixed_line_breaks():
    """An insertion takes the line break of the line before it."""
    before = "apiVersion: v1\nkind: Pod\r\nspec:\n  containers:\n  - name: a\r\n    image: b\r\n  hostname: h\n"
    after = before.replace(
        "image: b\r\n", "image: b\r\n    securityContext:\r\n      allowPrivilegeEscalation: false\r\n"
    )
    after += "  securityContext:\n    seccompProfile:\n      type: RuntimeDefault\n"

    assert after == harden(before, only(SECCOMP, ESCALATION)).text
    assert_sound(before, only(SECCOMP, ESCALATION))


@pytest.mark.parametrize("mark", ["\u0085", "\u2028", "\u2029"], ids=["nel", "ls", "ps"])
def test_foreign_line_breaks_in_quotes_and_comments(mark):
    before, after = (text + f"x: 'a{mark}b'\n# c{mark}\n" for text in (EXAMPLE, HARDENED))

    assert after == harden(before, only(SECCOMP, ESCALATION)).text


@pytest.mark.parametrize("mark", ["\r", "\u0085", "\u2028", "\u2029"], ids=["cr", "nel", "ls", "ps"])
def test_foreign_line_breaks_between_keys(mark):
    """libyaml counts them as line breaks, and others as text."""
    before = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: b" + f"{mark}    tty: true\n"
    result = harden(before, only(SECCOMP, ESCALATION))

    assert before == result.text
    assert len(result.errors) == 1


@pytest.mark.parametrize(
    ("key", "value"), [pytest.param("k", "\x7f", id="delete"), pytest.param("k" * 2000, "v", id="key-of-2000")]
)
def test_json_that_libyaml_does_not_take(key, value):
    metadata = json.dumps({"annotations": {key: value}}, ensure_ascii=False)
    before = (
        f'{{"apiVersion":"v1","kind":"Pod","metadata":{metadata},"spec":{{"containers":[{{"name":"a","image":"b"}}]}}}}'
    )
    after = before.replace('"b"', '"b","securityContext":{"allowPrivilegeEscalation":false}')

    assert after == harden(before, only(ESCALATION)).text
    assert json.loads(after)


def test_flow_style_that_is_not_json():
    before = '{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a",image: b}]}} # no JSON\n'
    result = harden(before, only(ESCALATION))

    assert result.errors == ()
    assert_sound(before, only(ESCALATION), insert_only=False)


def test_explicit_values_stay_by_default():
    before, _ = sides(container("   securityContext: {runAsNonRoot: false} # why\n"))

    assert before == harden(before, only(NON_ROOT)).text


def test_one_refused_document_leaves_the_others():
    refused = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: b\n    image: c\n"
    before, after = (f"{refused}---\n{text}--- # last\n{refused}" for text in (EXAMPLE, HARDENED))
    result = harden(before, only(SECCOMP, ESCALATION))

    assert after == result.text
    assert [error.split(":")[0] for error in result.errors] == ["line 6", "line 21"]


def test_a_default_policy_is_the_api_s():
    engine = Engine(policies.Policy({}))

    assert harden(EXAMPLE).text.encode() == b"".join(chunk.text for chunk in engine.run(EXAMPLE.encode()))
