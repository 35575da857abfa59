# One image for every role: `docker run IMAGE collect`, `enrich`, `load`, or any other command of `snowmelt`.
#
# Which Python it stands on is for whoever deploys to say, by digest, so that a build is the same tomorrow:
#   docker build --build-arg BASE=docker.io/library/python@sha256:… --tag snowmelt:0.1.0 .
# The name below has none; it is the Python that requirements/gcp.txt was pinned with.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN python -m venv /opt/snowmelt
# Dependencies first: they change less often than the program. Nothing is compiled here.
COPY requirements/gcp.txt requirements/gcp.txt
RUN /opt/snowmelt/bin/python -m pip install --require-hashes --only-binary :all: --requirement requirements/gcp.txt
COPY pyproject.toml README.md LICENSE ./
COPY backbone backbone
COPY collector collector
COPY enricher enricher
COPY loader loader
COPY registry registry
COPY schemas schemas
COPY snowmelt snowmelt
RUN /opt/snowmelt/bin/python -m pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
    && /opt/snowmelt/bin/python -m pip install --no-deps --no-index /wheels/snowmelt-*.whl \
    && /opt/snowmelt/bin/python -m pip uninstall --yes setuptools pip

FROM ${BASE}
RUN python -m pip uninstall --yes --root-user-action=ignore setuptools wheel pip
COPY --from=build /opt/snowmelt /opt/snowmelt
# The folder the roles run in; no one may write there. Schemas and enrichments of your own are mounted over these.
WORKDIR /srv/snowmelt
COPY schemas schemas
COPY enrichments enrichments
ENV PATH=/opt/snowmelt/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SNOWMELT_BUS_KIND=pubsub \
    SNOWMELT_WAREHOUSE_KIND=bigquery \
    SNOWMELT_DATA_FOLDER=/tmp/snowmelt \
    SNOWMELT_COLLECTOR_HOST=0.0.0.0 \
    SNOWMELT_COLLECTOR_PORT=8080 \
    SNOWMELT_COLLECTOR_TIMEOUTS_DRAIN=4 \
    SNOWMELT_LOADER_DRAIN_SECONDS=3 \
    SNOWMELT_SERVICE_HEALTH_HOST=0.0.0.0 \
    SNOWMELT_SERVICE_HEALTH_PORT=8080 \
    SNOWMELT_SERVICE_STOP_SECONDS=9
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health', timeout=3)"]
ENTRYPOINT ["snowmelt"]
CMD ["--help"]
