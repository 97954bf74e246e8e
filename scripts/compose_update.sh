#!/usr/bin/env bash
# Brings a running installation of the compose file to the version of this folder while people work, as docs/containers.md
# tells:
#   scripts/compose_update.sh               builds the image first
#   scripts/compose_update.sh --no-build    takes the image that is there: of a bundle, or TRIALSITE_VERSION=… of before
# A backup where there is something to migrate, the migrations, the new web server beside the old one, then the others. What
# goes wrong before the door leads to the new one leaves the old one at work. .env is read as `docker compose` reads it.
set -euo pipefail
cd "$(dirname "$0")/.."

patience=${PATIENCE:-300}
logs=${LOG_FOLDER:-logs}
image=$(docker compose config --images | grep '^trialsite:' | head -n 1)

say() { echo "== $*"; }
stop() { echo "$*" >&2; exit 1; }
health() { docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$1" 2> /dev/null; }

# The engine throws a container's log away with the container: what it said is kept, and after 180 days removed.
keep_logs() {
    mkdir -p "$logs"
    for service in "$@"; do
        for id in $(docker compose ps -aq "$service"); do
            docker logs --timestamps "$id" 2>&1 | gzip > "$logs/$(date -u +%Y%m%dT%H%M%SZ)-$service-${id:0:12}.log.gz"
        done
    done
    find "$logs" -name '*.log.gz' -mtime +180 -delete
}

# until_healthy ID: or, when it is not for so long, 1
until_healthy() {
    local end=$((SECONDS + patience))
    until [ "$(health "$1")" = "running healthy" ]; do
        [ $SECONDS -lt $end ] || return 1
        sleep 1
    done
}

# lead_to ADDRESS: what comes in goes there alone; without an address, to whatever is called web
lead_to() {
    local line=
    [ -z "${1:-}" ] || line="set \$web $1:8000;"
    docker compose exec -T -e "LINE=$line" door sh -c \
        'echo "$LINE" > /tmp/only.conf && nginx -e stderr -c /etc/trialsite/nginx.conf -t -q && nginx -e stderr -c /etc/trialsite/nginx.conf -s reload'
    sleep 2 # new requests meet the new rule from here on; those under way are finished by the old one
}

old=$(docker compose ps -q web)
[ -n "$old" ] || stop "Nothing runs here: docker compose up -d"
[ -n "$(docker compose ps -q door)" ] || stop "The door does not run: docker compose up -d"

# Whatever becomes of its name: the way back has one of its own.
[ "$image" = trialsite:before-update ] ||
    docker tag "$(docker inspect --format '{{.Image}}' $old | head -n 1)" trialsite:before-update

if [ "${1:-}" != --no-build ]; then
    say "the image $image"
    docker compose build
elif ! docker image inspect "$image" > /dev/null 2>&1; then
    stop "There is no image $image: load the bundle, or leave --no-build out."
fi

say "backup and migrations"
keep_logs web worker beat watch migrate
docker compose run --rm -T migrate || stop "The database was not prepared: nothing else was changed, the version of before works on."

say "the new web server beside the old one"
count=$(echo "$old" | wc -l)
docker compose up -d --no-deps --no-recreate --scale web=$((count * 2)) web
new=$(comm -13 <(echo "$old" | sort) <(docker compose ps -q web | sort))
for id in $new; do
    if ! until_healthy "$id"; then
        docker logs --tail 20 "$id" >&2
        docker rm -f $new > /dev/null
        stop "The new web server does not become healthy: it was removed, the version of before works on. The backup that was made before the migrations is the way back: docs/containers.md"
    fi
done

say "the door leads to the new one"
lead_to "$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' $new | head -n 1)"
docker stop $old > /dev/null
docker rm $old > /dev/null
lead_to

say "worker, beat and watch"
docker compose up -d --no-deps worker beat watch
for id in $(docker compose ps -q worker beat watch); do
    until_healthy "$id" || stop "$(docker inspect --format '{{.Name}}' "$id") is not healthy: docker compose logs says why."
done
say "$image is at work"
