#!/usr/bin/env bash
# Where no registry of images is reachable: makes the four images that ours stands on from Debian's packages alone, as root.
#   scripts/base_images.sh [FOLDER]     what it makes needs 2 GB there; it says what to put into .env
# DEBIAN_MIRROR names the mirror (else debootstrap's own), DEBIAN the release. Needs: docker, debootstrap.
set -euo pipefail

folder=${1:-$(mktemp -d)}
release=${DEBIAN:-trixie}
mkdir -p "$folder"

# rootfs NAME PACKAGE…: a system with these packages, nothing of which was started
rootfs() {
    local name=$1 root=$folder/$1
    shift
    rm -rf "$root"
    cp -a "$folder/system" "$root"
    cp /etc/hosts /etc/resolv.conf "$root/etc/"
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    mkdir -p "$root/etc/postgresql-common"
    echo "create_main_cluster = false" > "$root/etc/postgresql-common/createcluster.conf"
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends "$@" > "$folder/$name.log"
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root/usr/sbin/policy-rc.d"
    : > "$root/etc/hosts"
    : > "$root/etc/resolv.conf"
}

# image NAME: from its system and the instructions on the standard input
image() {
    mkdir -p "$folder/$1-context"
    tar -C "$folder/$1" -cf "$folder/$1-context/root.tar" .
    rm -rf "$folder/${1:?}"
    { printf 'FROM scratch\nADD root.tar /\n'; cat; } > "$folder/$1-context/Dockerfile"
    docker build -q -t "trialsite-base-$1:$release" "$folder/$1-context"
    rm -rf "$folder/$1-context"
}

[ -d "$folder/system" ] ||
    debootstrap --variant=minbase --include=ca-certificates,tzdata "$release" "$folder/system" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} > "$folder/system.log"

rootfs python python3 python3-venv
ln -sf python3 "$folder/python/usr/bin/python"
image python <<'END'
ENV LANG=C.UTF-8
CMD ["python3"]
END

rootfs redis redis-server
image redis <<'END'
WORKDIR /data
RUN chown redis:redis /data
VOLUME /data
USER redis
CMD ["redis-server"]
END

rootfs nginx nginx-light curl
image nginx <<'END'
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
END

rootfs postgres postgresql
# As the official image begins: the first start makes the database of POSTGRES_DB and the owner POSTGRES_USER, and nobody
# gets in from outside before that is done.
cat > "$folder/postgres/usr/local/bin/begin" <<'END'
#!/bin/sh
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    secret=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$secret"
    initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --pwfile="$secret" --auth-local=trust --auth-host=scram-sha-256 \
        --locale=C.UTF-8 --encoding=UTF8 --data-checksums
    rm "$secret"
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses=''" --wait start
    createdb --username="$POSTGRES_USER" --maintenance-db=postgres "$POSTGRES_DB"
    pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi
exec "$@"
END
chmod +x "$folder/postgres/usr/local/bin/begin"
major=$(ls "$folder/postgres/usr/lib/postgresql")
mkdir -p "$folder/postgres/var/run/postgresql"
image postgres <<END
ENV PGDATA=/var/lib/postgresql/$major/docker PATH=/usr/lib/postgresql/$major/bin:/usr/local/bin:/usr/bin:/bin
RUN chown postgres:postgres /var/lib/postgresql /run/postgresql
VOLUME /var/lib/postgresql
USER postgres
STOPSIGNAL SIGINT
ENTRYPOINT ["begin"]
CMD ["postgres", "-c", "listen_addresses=*"]
END

rm -rf "$folder/system"
cat <<END
PYTHON_IMAGE=trialsite-base-python:$release
POSTGRES_IMAGE=trialsite-base-postgres:$release
REDIS_IMAGE=trialsite-base-redis:$release
NGINX_IMAGE=trialsite-base-nginx:$release
END
