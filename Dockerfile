# krm-harden in a container: small, user nobody, fit for a read-only root file system.
#
#     docker build -t krm-harden:v0.2.0 .
#     docker build --build-arg PYTHON_IMAGE=docker.io/library/python@sha256:... -t krm-harden:v0.2.0 .
#
# Both stages must have the same Python. Pin the image by digest where builds must be repeatable.
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY krm_harden krm_harden
RUN pip install --no-cache-dir --disable-pip-version-check --prefix=/install .

FROM ${PYTHON_IMAGE}
COPY --from=build /install /usr/local
# kustomize and kpt run a function as --user nobody, so the name must be known; a kubelet wants the number.
USER 65534:65534
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["krm-harden"]
