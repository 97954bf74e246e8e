#!/bin/sh
# From a fresh Debian 12/13 or Ubuntu 24.04 to a site that runs, by systemd; run again with a newer folder to update it.
#
#   sudo scripts/install_server.sh https://trial.hospital.example smtp://mail.hospital.example:25
#   sudo trialsite createsuperuser
#
# The address is the one that people use; a TLS proxy of yours stands in front (deploy/nginx.conf, deploy/Caddyfile). An
# http:// address makes a trial without TLS: for invented people only. PostgreSQL and Redis are installed here, unless
# /etc/trialsite/owner.env and trialsite.env name others: where they exist, nothing in them is changed. Python packages
# come from where pip is told to look (PIP_INDEX_URL, PIP_NO_INDEX with PIP_FIND_LINKS for a server without network).
set -eu
umask 022

address=${1:-}
mail=${2:-}
source=$(cd "$(dirname "$0")/.." && pwd -P)
etc=/etc/trialsite
opt=/opt/trialsite
site=$etc/trialsite.env
owner=$etc/owner.env

stop() {
    echo "$*" >&2
    exit 1
}
say() { echo "== $*"; }
secret() { python3 -c "import secrets; print(secrets.token_urlsafe($1))"; }
field_key() { python3 -c 'import os, base64; print(base64.b64encode(os.urandom(64)).decode())'; }

[ "$(id -u)" = 0 ] || stop "Run this as root: sudo $0 $*"
[ -d /run/systemd/system ] || stop "systemd does not run here: use docker-compose.yml, or start the processes yourself."
if [ ! -f "$site" ]; then
    case "$address" in http://* | https://*) ;; *) stop "Usage: $0 https://THE.ADDRESS smtp://MAIL.SERVER:25" ;; esac
    [ -n "$mail" ] || stop "Usage: $0 https://THE.ADDRESS smtp://MAIL.SERVER:25"
fi

packages() {
    say "packages of the system"
    command -v apt-get >/dev/null || stop "Not Debian or Ubuntu: install Python 3.11+ with venv, PostgreSQL 15+ and Redis."
    wanted='python3 python3-venv'
    # The owner's file names a server of the hospital's: then only its programs for backups are needed here.
    if [ ! -f "$owner" ]; then wanted="$wanted postgresql redis-server"; fi
    command -v pg_dump >/dev/null || wanted="$wanted postgresql-client"
    missing=''
    for one in $wanted; do
        dpkg-query -W -f '${Status}' "$one" 2>/dev/null | grep -q 'ok installed' || missing="$missing $one"
    done
    # shellcheck disable=SC2086  # a list of words
    if [ -n "$missing" ]; then
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
    fi
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "Python 3.11 or newer is needed."
}

user_and_folders() {
    id trialsite >/dev/null 2>&1 ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trialsite
    install -d -m 755 "$opt" "$opt/releases"
    install -d -m 750 -g trialsite "$etc"
    install -d -m 700 -o trialsite -g trialsite /var/backups/trialsite
}

local_database() {
    say "roles and the database, in the PostgreSQL of this machine"
    systemctl enable -q --now postgresql redis-server
    owner_password=$(secret 32)
    app_password=$(secret 32)
    # By the standard input: a password stands in no list of processes.
    cd / && runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 -d postgres <<SQL
SELECT 'CREATE ROLE trialsite_owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'trialsite_owner') \gexec
SELECT 'CREATE ROLE trialsite_app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'trialsite_app') \gexec
ALTER ROLE trialsite_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '$owner_password';
ALTER ROLE trialsite_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '$app_password';
SELECT 'CREATE DATABASE trialsite OWNER trialsite_owner ENCODING ''UTF8'' TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'trialsite') \gexec
SQL
    umask 077
    echo "DATABASE_URL=postgres://trialsite_owner:$owner_password@127.0.0.1:5432/trialsite" >"$owner"
    umask 022
}

settings() {
    say "settings, in $site"
    host=$(echo "$address" | sed 's#^[a-z]*://##; s#[:/].*##')
    case "$address" in https://*) without_tls=0 proxies=1 ;; *) without_tls=1 proxies=0 ;; esac
    umask 077
    cat >"$site.new" <<ENV
# Read by systemd for every process of Trialsite; each variable is explained in $opt/current/.env.example.
# Keep a copy of SECRET_KEY and FIELD_KEYS apart from this machine, on paper too: without FIELD_KEYS the names are lost.
SECRET_KEY=$(secret 64)
FIELD_KEYS=$(field_key)
DATABASE_URL=postgres://trialsite_app:$app_password@127.0.0.1:5432/trialsite
REDIS_URL=redis://127.0.0.1:6379/0
EMAIL_URL=$mail
EMAIL_FROM=trialsite@$host
SITE_URL=$address
ALLOWED_HOSTS=$host,127.0.0.1
CSRF_TRUSTED_ORIGINS=$address
WITHOUT_TLS=$without_tls
NUM_PROXIES=$proxies
# Where the web server listens; a trial without a proxy on another machine's browser needs 0.0.0.0:8000.
LISTEN=127.0.0.1:8000
ENV
    chown root:trialsite "$site.new"
    chmod 640 "$site.new"
    mv "$site.new" "$site"
    umask 022
}

release() {
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/pyproject.toml" | head -n 1)
    new=$opt/releases/$version-$(date -u +%Y%m%dT%H%M%S)
    say "version $version, into $new"
    install -d -m 755 "$new"
    # What the site is made of, by name: nothing else of that folder comes along.
    for one in demo docs dosing locale participants safety sponsor trialsite deploy manage.py pyproject.toml \
        requirements.txt requirements-local.txt .env.example README.md CHANGELOG.md LICENSE NOTICE THIRD-PARTY-NOTICES.md; do
        [ ! -e "$source/$one" ] || cp -R "$source/$one" "$new/"
    done
    find "$new" -name __pycache__ -type d -prune -exec rm -r {} +
    python3 -m venv "$new/.venv"
    "$new/.venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r "$new/requirements.txt"
    chown -R root:root "$new"
    chmod -R go-w,a+rX "$new"
    # Settings are needed to collect the static files, but no secret: these values live in this one command only.
    (cd "$new" && env -i PATH="$PATH" SECRET_KEY=build FIELD_KEYS=build DATABASE_URL=postgres://b@b/b REDIS_URL=redis://b \
        EMAIL_URL=smtp://b .venv/bin/python manage.py collectstatic --noinput --skip-checks -v 0)
    "$new/.venv/bin/python" -m compileall -q "$new" -x '/\.venv/' || true
    chmod -R a+rX "$new"
}

units() {
    say "units of systemd"
    for one in trialsite-.service.d/common.conf trialsite-backup.service.d/owner.conf; do
        install -D -m 644 "$new/deploy/systemd/$one" "/etc/systemd/system/$one"
    done
    install -m 644 "$new"/deploy/systemd/trialsite*.service "$new"/deploy/systemd/*.target "$new"/deploy/systemd/*.timer \
        /etc/systemd/system/
    install -m 755 "$new/deploy/systemd/trialsite" /usr/local/bin/trialsite
    systemctl daemon-reload
}

packages
user_and_folders
if [ ! -f "$site" ]; then
    if [ ! -f "$owner" ]; then local_database; else
        stop "$owner is there, and $site is not: write it, from .env.example, with the DATABASE_URL of trialsite_app."
    fi
    settings
fi
release
units
say "the database"
TRIALSITE_RELEASE=$new /usr/local/bin/trialsite prepare_database --with-backup
before=$(readlink "$opt/current" || true)
ln -sfn "$new" "$opt/current.new" && mv -T "$opt/current.new" "$opt/current"
systemctl enable -q trialsite.target trialsite-web trialsite-worker trialsite-beat trialsite-watch trialsite-backup.timer
say "start"
systemctl restart trialsite-web trialsite-worker trialsite-beat trialsite-watch
systemctl start trialsite.target
[ -z "$before" ] || echo "The version before lies in $before; the way back stands in docs/operations.md."
/usr/local/bin/trialsite ready || true
