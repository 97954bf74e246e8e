#!/usr/bin/env bash
# Tries the compose file on a real engine, in a project of its own that is thrown away: builds, starts, logs in, mails,
# kills each container in turn, backs up and restores, takes it down and up. Exit code 0: every line says ok.
#   scripts/try_compose.sh [--keep]        --keep leaves it running, and says how to look at it
# Other images, index and port: PYTHON_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE, NGINX_IMAGE, PIP_INDEX_URL, BUILD_NETWORK,
# WEB_PORT as in .env.example. Needs docker with compose, and 3 GB of memory.
set -uo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
project=trialsite-try
host=trialsite.example.org
patience=${PATIENCE:-300}
failed=0
rows=()
mails=0

secret() { head -c "$1" /dev/urandom | base64 | tr -d '\n'; }

# Passwords with whatever letters a person may take.
cat > "$folder/env" <<END
SECRET_KEY='$(secret 64)'
FIELD_KEYS=$(secret 64)
OWNER_DATABASE_PASSWORD='o@w/n#e:r%40\$HOME {x} "q" \\\\ 密码'
APP_DATABASE_PASSWORD='a@p/p#:%2F\$HOME \$\$ "q" ?&= \\x'
REDIS_PASSWORD='r@/#:% \$5 "q" \\n;'
SITE_URL=https://$host
ALLOWED_HOSTS=$host,127.0.0.1
CSRF_TRUSTED_ORIGINS=https://$host
EMAIL_URL=smtp://sink:2525
EMAIL_FROM=Trialsite <trialsite@example.org>
WEB_PORT=${WEB_PORT:-18099}
BACKUP_FOLDER=backups
END

compose() { docker compose --project-name $project --env-file "$folder/env" --profile by-hand "$@"; }
manage() { compose exec -T web python manage.py "$@"; }
psql() { compose exec -T postgres psql -qAt -h /run/postgresql -U trialsite_owner -d trialsite "$@"; }

# step WHAT COMMAND…: runs it, and keeps for the table how long it took and whether it went well
step() {
    local what=$1 begun ended
    shift
    begun=$(date +%s%N)
    if "$@" > "$folder/said" 2>&1; then
        ended=ok
    else
        ended=FAILED
        failed=1
        sed 's/^/    /' "$folder/said" | tail -n 30 >&2
    fi
    rows+=("$(printf '%-70s %7.1f s  %s' "$what" "$((($(date +%s%N) - begun) / 1000000))e-3" "$ended")")
    echo "${rows[-1]}"
}

# until_true COMMAND…: again and again, for as long as we are patient
until_true() {
    local end=$((SECONDS + patience))
    until "$@" > "$folder/tried" 2>&1; do
        [ $SECONDS -lt $end ] || { cat "$folder/tried"; return 1; }
        sleep 1
    done
}

healths() { docker inspect --format '{{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' $(compose ps -q); }
all_healthy() {
    local said
    said=$(healths) || return 1
    echo "$said"
    [ "$(echo "$said" | grep -c ' running healthy$')" = 7 ]
}
healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$(compose ps -q "$1")")" = healthy ]; }
unhealthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$(compose ps -q "$1")")" = unhealthy ]; }
ready() { manage shell -v 0 -c "
from django.test import Client
said = Client().get('/readyz', secure=True, headers={'host': '$host'})
print(said.content.decode()); raise SystemExit(said.status_code != 200)"; }

inside() { docker run --rm -i --network ${project}_default --entrypoint python "$image" - "$@" < scripts/try_inside.py; }

begin_sink() {
    docker run -d --name $project-sink --network ${project}_default --network-alias sink --entrypoint python "$image" \
        -c "$(cat scripts/try_inside.py)" sink
}

log_in() {
    link=$(manage createsuperuser --username root --email root@example.org 2>/dev/null | grep '^https') || return 1
    inside person "$link" door:8000
}

# queue COUNT: so many mails to the first person, each under a key of its own
queue() {
    local since=$mails
    mails=$((mails + $1))
    compose run --rm --no-deps -T worker python manage.py shell -v 0 -c "
from django.utils import timezone
from trialsite import notifications as n
from trialsite.models import Site, User
person, site = User.objects.get(username='root'), Site.objects.first()
letters = [n.Letter(f'try:{i}', 'watch:silence', site, [person], 'trialsite/email/watch',
    {'silent': [], 'late': [], 'link': 'x'}) for i in range($since, $mails)]
print(n.queue_all(letters, now=timezone.now()))"
}

arrived() { cat "$folder/arrived" 2> /dev/null; docker logs $project-sink 2> /dev/null; }

# Every mail that was queued has left, and none of them twice.
all_sent() {
    local sent twice
    sent=$(psql -c "SELECT count(*) FROM trialsite_notification WHERE dedupe_key LIKE 'try:%' AND state = 'sent'")
    twice=$(arrived | sort | uniq -d | wc -l)
    echo "$sent of $mails sent, $twice arrived twice, $(arrived | sort -u | wc -l) arrived"
    [ "$sent" = "$mails" ] && [ "$twice" = 0 ] && [ "$(arrived | sort -u | wc -l)" -ge "$mails" ]
}

pid_of() { docker inspect --format '{{.State.Pid}}' "$1"; }
restarted() { [ "$(pid_of "$1")" -gt 0 ] && [ "$(pid_of "$1")" != "$2" ]; }

# signal NAME PID: to a process of this machine; who may not do so asks the engine
signal() {
    kill "-$1" "$2" 2> /dev/null ||
        docker run --rm --pid host --privileged --user 0 --entrypoint sh "$image" -c "kill -$1 $2"
}

# back SERVICE: mails wait, its first process is killed from outside, the engine starts it again, and the mails leave
back() {
    local id pid
    id=$(compose ps -q "$1")
    pid=$(pid_of "$id")
    docker pause $project-sink && queue 3 || return 1
    signal KILL "$pid"
    docker unpause $project-sink
    until_true restarted "$id" "$pid" && until_true all_healthy && until_true all_sent
}

# frozen SERVICE: a process that lives and does nothing becomes unhealthy, and well again when it goes on
frozen() {
    local pid found
    pid=$(pid_of "$(compose ps -q "$1")")
    signal STOP "$pid"
    until_true unhealthy "$1"
    found=$?
    signal CONT "$pid"
    until_true healthy "$1" && return $found
}

# stops SERVICE: by the signal, and not because the engine lost its patience
stops() {
    local id
    id=$(compose ps -q "$1")
    docker stop "$id"
    [ "$(docker inspect --format '{{.State.ExitCode}}' "$id")" = 0 ]
    local found=$?
    docker start "$id" && until_true healthy "$1" && return $found
}

down_and_up() {
    docker logs $project-sink > "$folder/arrived" 2> /dev/null
    docker rm -f $project-sink
    compose down --timeout 60 && compose up -d --no-build && until_true all_healthy
}

backs_up() { compose run --rm -T backup && compose run --rm -T backup python manage.py verify_audit; }

rotates() {
    local old
    old=$(grep ^FIELD_KEYS= "$folder/env" | cut -d= -f2-)
    sed -i "s|^FIELD_KEYS=.*|FIELD_KEYS=$(secret 64),$old|" "$folder/env"
    compose run --rm -T migrate && compose run --rm -T backup python manage.py rotate_field_keys && compose up -d && until_true all_healthy
}

restores() {
    compose stop door web worker beat watch
    local file
    file=$(compose run --rm --no-deps -T backup sh -c 'ls -t /var/backups/trialsite/*.backup | head -n 1') || return 1
    people=$(psql -c "SELECT count(*) FROM trialsite_user")
    psql -d postgres -c "DROP DATABASE trialsite WITH (FORCE)" -c "CREATE DATABASE trialsite OWNER trialsite_owner" || return 1
    compose run --rm -T backup python manage.py restore "$file" || return 1
    [ "$(psql -c "SELECT count(*) FROM trialsite_user")" = "$people" ] && compose up -d && until_true all_healthy
}

# told FILE-LINE WORDS COMMAND…: with that line in .env the command fails and says these words, in no traceback
told() {
    local line=$1 words=$2
    shift 2
    grep -v "^${line%%=*}=" "$folder/env" > "$folder/wrong"
    echo "$line" >> "$folder/wrong"
    timeout 120 docker compose --project-name $project --env-file "$folder/wrong" --profile by-hand "$@" > "$folder/words" 2>&1
    cat "$folder/words"
    grep -q "$words" "$folder/words" && ! grep -q Traceback "$folder/words"
}

# An update to the same image under another name, while somebody asks ten times a second: nobody is turned away.
updates() {
    docker tag "$image" trialsite:try-next
    docker run -d --name $project-asker --network ${project}_default --entrypoint python "$image" \
        -c "$(cat scripts/try_inside.py)" ask http://door:8000/admin/login/ $host 3600 || return 1
    export TRIALSITE_VERSION=try-next
    COMPOSE_PROJECT_NAME=$project COMPOSE_ENV_FILES="$folder/env" LOG_FOLDER="$folder/logs" PATIENCE=$patience \
        scripts/compose_update.sh --no-build
    local found=$?
    docker stop --time 30 $project-asker
    docker logs $project-asker
    [ "$(docker inspect --format '{{.State.ExitCode}}' $project-asker)" = 0 ] || found=1
    docker rm -f $project-asker
    return $found
}

end() {
    docker rm -f $project-sink $project-asker > /dev/null 2>&1
    docker rmi trialsite:try-next > /dev/null 2>&1
    compose down --volumes --remove-orphans --timeout 20 > /dev/null 2>&1
    rm -rf "$folder"
}

image=$(compose config --images 2>/dev/null | grep '^trialsite:' | head -n 1)
[ -n "$image" ] || { compose config -q; exit 1; }
docker compose --project-name $project --env-file "$folder/env" down --volumes > /dev/null 2>&1
docker rm -f $project-sink > /dev/null 2>&1
[ "${1:-}" = --keep ] || trap end EXIT

step "the image is built once" compose build
step "everything starts" compose up -d --no-build
step "a mail server beside it" begin_sink
step "everything is healthy" until_true all_healthy
step "a person is made, sets a password and a telephone, and is in" log_in
step "/readyz says that all is well" until_true ready
step "mails leave" eval "queue 5 && until_true all_sent"
for service in worker beat watch web door redis postgres; do
    step "$service is killed, returns, nothing queued is lost" back $service
done
step "a frozen beat is unhealthy, and well when it goes on" frozen beat
step "Redis stops when it is asked to" stops redis
step "an update turns nobody away" updates
step "a backup, and the trail is as it was sealed" backs_up
step "another key for the names" rotates
step "the backup goes into an empty database" eval "compose run --rm -T backup && restores"
step "a wrong password of the owner is told in a sentence" \
    told "OWNER_DATABASE_PASSWORD=wrong" "password" run --rm -T --no-deps migrate
step "a wrong password of the application is told in a sentence" \
    told "APP_DATABASE_PASSWORD=wrong" "password" run --rm -T --no-deps web python manage.py ready
step "a wrong password of the broker is told in a sentence" \
    told "REDIS_PASSWORD=wrong" "refuses the password" run --rm -T --no-deps web python manage.py ready
compose stop redis > /dev/null 2>&1
step "a missing broker is told in a sentence" \
    told "WEB_PORT=1" "does not answer" run --rm -T --no-deps web python manage.py ready
compose start redis > /dev/null 2>&1
step "down, and up again without building" down_and_up
step "what was entered is there, and mails leave" eval "begin_sink && queue 2 && until_true all_sent"

echo
printf '%s\n' "${rows[@]}"
if [ "${1:-}" = --keep ]; then
    echo "It runs on: docker compose --project-name $project --env-file $folder/env …"
fi
exit $failed
