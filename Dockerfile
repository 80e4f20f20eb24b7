# One image for web, worker, pictures and beat, which differ in their command.
FROM python:3.13.15-slim-trixie AS packages
COPY requirements.txt .
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.13.15-slim-trixie
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 VAR_DIR=/var/lib/feeds \
    MEDIA_ROOT=/var/lib/feeds-media
# A new volume on a folder gets its owner.
RUN useradd --system --create-home --uid 10001 feeds \
 && install -d -o feeds -g feeds /var/lib/feeds /var/lib/feeds-media
COPY --from=packages /venv /venv
WORKDIR /srv/feeds
COPY manage.py ./
COPY config config
COPY foundation foundation
COPY outbox outbox
COPY entitlements entitlements
COPY paris_integration paris_integration
COPY venice_api venice_api
COPY templates templates
# Compiled here, because containers cannot write to the image and would compile at every start.
RUN python manage.py collectstatic --noinput --verbosity 0 && rm -rf /var/lib/feeds/* && python -m compileall -q .
USER feeds
EXPOSE 8000
# For the web process, the default command. compose.yaml overrides it for worker, pictures and beat.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["gunicorn", "--config", "config/gunicorn.py", "config.wsgi:application"]
