# syntax=docker/dockerfile:1
# Three images from one file: `serve` for web, workers and beat; `train` adds TensorFlow; `operate`
# adds PostgreSQL's client tools, as new as the server in docker-compose.yml, for backups.

FROM python:3.11-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/app \
    DJANGO_SETTINGS_MODULE=deepfake_site.settings \
    PATH=/app/.venv/bin:$PATH
WORKDIR /app
# A fixed number, so that volumes keep their owner across rebuilds.
RUN groupadd --gid 10001 unmask \
    && useradd --uid 10001 --gid unmask --home-dir /tmp --no-create-home --shell /usr/sbin/nologin unmask \
    && install --directory --owner=unmask --group=unmask --mode=0700 /data

# Dependencies change less often than code: they get layers of their own, from the lock file alone.
FROM base AS build
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
COPY pyproject.toml uv.lock README.md ./

# EXTRA_GROUPS="--group s3 --group observe": for a bucket; for error reports and traces.
FROM build AS build-serve
ARG EXTRA_GROUPS=""
RUN uv sync --locked --no-default-groups ${EXTRA_GROUPS} --no-install-project

FROM build AS build-train
ARG EXTRA_GROUPS=""
RUN uv sync --locked --no-default-groups --group train ${EXTRA_GROUPS} --no-install-project

FROM base AS app
COPY manage.py ./
COPY deepfake_site deepfake_site
COPY accounts accounts
COPY detection detection
COPY ml ml
COPY client client
COPY locale locale
COPY templates templates
COPY static static
RUN python -m compileall -q -x '/\.venv/' .
ENV UNMASK_DATA=/data
USER unmask
VOLUME /data
EXPOSE 8000

FROM app AS train
COPY --from=build-train /app/.venv .venv

FROM app AS operate
USER root
RUN apt-get update \
    && apt-get install --no-install-recommends --yes ca-certificates postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install --no-install-recommends --yes postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
USER unmask
COPY --from=build-serve /app/.venv .venv

# Last, so that a plain `docker build .` makes this one.
FROM app AS serve
COPY --from=build-serve /app/.venv .venv
CMD ["gunicorn", "deepfake_site.wsgi:application", "--config", "deepfake_site/gunicorn_conf.py"]
