# The base is an argument. A release sets it to this tag with the digest that it has then; pass your own, or a mirror's, by
# make image ARGS=--build-arg=PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# No pip in what is shipped: the builder's own installs into it.
RUN python -m venv --without-pip /venv
# Dependencies first: a change of the code leaves this layer as it is. Wheels only, there is no compiler here.
COPY requirements.txt ./
RUN pip --python /venv/bin/python install --require-hashes --only-binary :all: -r requirements.txt
# What builds the wheel is pinned, too, and is not shipped.
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
# Nothing is written at run time, so the root file system may be read-only and the user may be any number. A variable
# names the configuration, because flags of `docker run` and commands of `docker exec` keep it.
ENV PATH="/venv/bin:${PATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CLOUDFLARE_ACCESS_CONFIG_FILE=/etc/cloudflare-access-exporter/config.yaml
# A volume that is mounted here is as writable as this folder, for any user: --storage.path.
RUN install -d -m 1777 /var/lib/cloudflare-access-exporter
COPY --from=builder /venv /venv
COPY --chmod=0644 config.yaml /etc/cloudflare-access-exporter/config.yaml
# nobody; a number, so that Kubernetes can check runAsNonRoot
USER 65534:65534
EXPOSE 10060
# Copes with TLS and basic auth; with other addresses, replace it by one that ends in "access_exporter.commands.healthcheck", "ADDRESS", ….
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s \
  CMD ["/venv/bin/python", "-I", "-m", "access_exporter.commands.healthcheck"]
ENTRYPOINT ["/venv/bin/cloudflare-access-exporter"]
