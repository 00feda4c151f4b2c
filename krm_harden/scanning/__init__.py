"""Images have no vulnerability that the policy doesn't put up with, as a scanner's report says.

**Protects from**: a known hole in what an image holds: a library with a published exploit runs as safely hardened as
anything else, until somebody uses it.

**Fields**: `image` of each container. Only with `krm-harden check --scan REPORT`, or `--run-scanner`: reports of Trivy
and Grype, and SARIF that names its image.

**Allowed**: an image without a vulnerability of the severity `failOn` (critical, unless the policy says otherwise) or
worse. `onlyFixed: true` puts up with what has no fix yet, `graceDays` with what was published lately. What is less
severe is an info, what the policy only puts up with a warning.

**Before**:

    spec:
      containers:
      - name: web
        image: nginx:1.25

**After**:

    spec:
      containers:
      - name: web
        image: nginx:1.27

**Fix safety**: nothing is ever written: only whoever builds or chooses an image can update it. A report counts for an
image by its digest, else by its tag. An image that no report is about is a warning, and with `--require-coverage` an
error.

**May break**: nothing; a gate may fail for a vulnerability that was published since yesterday. `graceDays` gives people
the time to update.

**Undo**: under `spec` of the policy, the first accepts one vulnerability for a while, the second fails for none:

    exemptions: [{match: {images: ["nginx:*"], vulnerabilities: [CVE-2024-1234]}, controls: [imageVulnerabilities],
      reason: not reachable, expires: 2030-06-30}]
    controls: {imageVulnerabilities: {failOn: none}}

**Reference**: trivy.dev, "Reporting"; github.com/anchore/grype, grype/presenter/models; OASIS, SARIF 2.1.0; NIST SP
800-190, 3.1.1.
"""
