# krm-harden in a container: nothing but its own folder and tini; user nobody, fit for a read-only root.
#
#     docker build -t registry.example/krm-harden:v0.2.0 .
#     docker build --build-arg BASE_IMAGE=docker.io/library/debian@sha256:... -t registry.example/krm-harden:v0.2.0 .
#
# The base is only built on: Debian 12 or 13. Pin it by digest where builds must be
# repeatable. Secrets, both optional: `pip` is a pip.conf, for another index; `ca` has the certificates of a proxy.
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${BASE_IMAGE} AS build
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    binutils ca-certificates gcc libc6-dev python3 python3-pip python3-venv tini
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=pip,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    scripts/container/root.sh /image

FROM scratch
ARG VERSION=0.2.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="krm-harden" \
      org.opencontainers.image.description="Hardens Kubernetes manifests to the Pod Security Standard restricted" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="https://github.com/krm-harden/krm-harden" \
      org.opencontainers.image.documentation="https://github.com/krm-harden/krm-harden/blob/main/docs/container.md" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
# kustomize and kpt run a function as --user nobody, so the name must be known; a kubelet wants the number.
USER 65534:65534
ENV PATH=/usr/local/bin:/usr/bin
ENTRYPOINT ["krm-harden"]
