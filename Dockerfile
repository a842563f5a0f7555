# The base image is an argument. A release sets it to this tag with the current digest of the tag. To use another base
# image, or a mirror: make image ARGS=--build-arg=PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# The image contains no pip: the pip of the builder installs into this environment.
RUN python -m venv --without-pip /venv
# Install the dependencies first, so that a change of the code does not change this layer. Install only wheels, because
# there is no compiler.
COPY requirements.txt ./
RUN pip --python /venv/bin/python install --require-hashes --only-binary :all: -r requirements.txt
# The packages that build the wheel are also pinned. The image does not contain them.
COPY requirements-build.txt ./
RUN pip install --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY access_exporter ./access_exporter
RUN pip wheel --no-build-isolation --no-deps --wheel-dir /wheels . \
 && pip --python /venv/bin/python install --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
ARG PYTHON_IMAGE
LABEL org.opencontainers.image.title="cloudflare-access-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Cloudflare Access" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
# The exporter writes nothing at run time. So the root file system can be read-only, and the user can be any number. A
# variable names the configuration, because the variable stays with other flags of `docker run` and in commands of
# `docker exec`.
ENV PATH="/venv/bin:${PATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CLOUDFLARE_ACCESS_CONFIG_FILE=/etc/cloudflare-access-exporter/config.yaml
# For --storage.path. A new volume that you mount here gets the mode of this folder: every user may write to it.
RUN install -d -m 1777 /var/lib/cloudflare-access-exporter
COPY --from=builder /venv /venv
COPY --chmod=0644 config.yaml /etc/cloudflare-access-exporter/config.yaml
# The user `nobody`, as a number, so that Kubernetes can check runAsNonRoot.
USER 65534:65534
EXPOSE 10060
# The health check works with TLS and basic auth. If you serve other addresses, replace it with a health check that ends
# in "access_exporter.commands.healthcheck", "ADDRESS", ….
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s \
  CMD ["/venv/bin/python", "-I", "-m", "access_exporter.commands.healthcheck"]
ENTRYPOINT ["/venv/bin/cloudflare-access-exporter"]
