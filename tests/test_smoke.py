"""The shortest way through: a Deployment in, a restricted one out."""

from __future__ import annotations

from krm_harden import check, harden

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
"""


def test_harden_then_check():
    result = harden(DEPLOYMENT)

    assert result.errors == ()
    assert result.allowed
    assert check(result.text).allowed
    assert harden(result.text).text == result.text
    assert not check(DEPLOYMENT).allowed
