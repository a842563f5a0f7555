# The base image. A release sets this argument to the same tag with its digest. To use your own image or a mirror:
# make image ARGS=--build-arg=PYTHON_IMAGE=python:3.13-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# The final image has no pip: the pip of the builder installs into /venv.
RUN python -m venv --without-pip /venv
# Dependencies come first, so that a change of the code keeps this layer in the cache. The image has no compiler, so pip
# installs wheels only.
COPY requirements.txt ./
RUN pip --python /venv/bin/python install --require-hashes --only-binary :all: -r requirements.txt
# The build backend is pinned as well. The final image does not contain it.
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
# The exporter writes no files at run time, so the root file system may be read-only, and any user may run it. The path of
# the configuration is a variable, so that `docker run` with flags and `docker exec` use it, too.
ENV PATH="/venv/bin:${PATH}" PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CLOUDFLARE_ACCESS_CONFIG_FILE=/etc/cloudflare-access-exporter/config.yaml
# The folder for --storage.path. A new volume at this path gets its permissions, so any user can write to it.
RUN install -d -m 1777 /var/lib/cloudflare-access-exporter
COPY --from=builder /venv /venv
COPY --chmod=0644 config.yaml /etc/cloudflare-access-exporter/config.yaml
# The user `nobody`, as a number, so that Kubernetes can check runAsNonRoot.
USER 65534:65534
EXPOSE 10060
# The health check works with TLS and basic auth as well. If the exporter listens on other addresses, replace the command
# by one with these addresses at its end: "access_exporter.commands.healthcheck", "ADDRESS", ….
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s \
  CMD ["/venv/bin/python", "-I", "-m", "access_exporter.commands.healthcheck"]
ENTRYPOINT ["/venv/bin/cloudflare-access-exporter"]
