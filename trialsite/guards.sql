-- What the owner fastens after each migration: see guards.py, which runs this file.

-- django-pgtrigger asks this function whether a trigger shall stand aside, which any session could answer with one SET.
CREATE OR REPLACE FUNCTION public._pgtrigger_should_ignore(trigger_name NAME) RETURNS BOOLEAN
LANGUAGE sql IMMUTABLE AS 'SELECT FALSE';

CREATE SCHEMA IF NOT EXISTS guard;
REVOKE ALL ON SCHEMA guard FROM PUBLIC;
CREATE TABLE IF NOT EXISTS guard.key (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single), inner_pad BYTEA NOT NULL, outer_pad BYTEA NOT NULL
);

-- HMAC-SHA-256 (RFC 2104) of what the application says, by the pads of the key that both know.
CREATE OR REPLACE FUNCTION guard.is_signed(said TEXT, mac TEXT) RETURNS BOOLEAN
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(
        (SELECT encode(sha256(outer_pad || sha256(inner_pad || convert_to(said, 'UTF8'))), 'hex') = mac FROM guard.key),
        FALSE
    )
$$;

-- What an event says of itself is the database's word: its time, its login, and the person only where it is signed,
-- for this very session, and not long ago. What is not signed stays to be read, as a claim.
CREATE OR REPLACE FUNCTION guard.attest() RETURNS TRIGGER
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said JSONB;
BEGIN
    NEW.pgh_created_at := clock_timestamp();
    NEW.pgh_db_user := session_user;
    IF NEW.pgh_context IS NULL THEN
        RETURN NEW;
    END IF;
    IF guard.is_signed(NEW.pgh_context ->> 'said', NEW.pgh_context ->> 'mac') THEN
        said := (NEW.pgh_context ->> 'said')::JSONB;
        IF (said ->> 'session')::INT = pg_backend_pid()
            AND (said ->> 'until')::FLOAT > extract(epoch FROM clock_timestamp()) THEN
            NEW.pgh_context := said -> 'context';
            RETURN NEW;
        END IF;
    END IF;
    NEW.pgh_context := jsonb_build_object('claimed', NEW.pgh_context);
    RETURN NEW;
END
$$;

-- --- Signatures -------------------------------------------------------------------------------------------------

-- Since when whatever has to be signed is bound to its content: what was recorded before is no forgery.
CREATE TABLE IF NOT EXISTS guard.signing (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single), since TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO guard.signing DEFAULT VALUES ON CONFLICT (single) DO NOTHING;

CREATE OR REPLACE FUNCTION guard.signing_since() RETURNS TIMESTAMPTZ
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT since FROM guard.signing';

-- --- Keys of the identity fields ----------------------------------------------------------------------------------

-- One value for each key that something was written with, sealed with it: whoever opens none of them has a wrong key.
CREATE TABLE IF NOT EXISTS guard.field_key (
    id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sealed TEXT NOT NULL UNIQUE,
    since TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(), retired_at TIMESTAMPTZ
);

CREATE OR REPLACE FUNCTION guard.field_keys() RETURNS TABLE (sealed TEXT, since TIMESTAMPTZ)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
    'SELECT sealed, since FROM guard.field_key WHERE retired_at IS NULL ORDER BY id';

-- --- Seals ------------------------------------------------------------------------------------------------------

-- Up to which event of each table the next seal reaches, the transactions that ran when this was marked, and what is
-- sealed already.
CREATE TABLE IF NOT EXISTS guard.mark (
    single BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (single), upto JSONB NOT NULL, running JSONB NOT NULL,
    sealed JSONB NOT NULL
);

-- The transactions of this database, but our own, that have written and are not over. Whoever has written an event has
-- written its row before, and is among them; in the lock table also those of other logins can be seen.
CREATE OR REPLACE FUNCTION guard.running() RETURNS JSONB
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(jsonb_agg(l.transactionid::TEXT), '[]')
    FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
        AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
$$;

-- The events of one table after one number and up to another: how many, and a digest of these columns of them.
CREATE OR REPLACE FUNCTION guard.digest(
    of_table TEXT, columns TEXT[], after_id BIGINT, upto_id BIGINT, OUT rows BIGINT, OUT sha256 TEXT
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    EXECUTE format(
        $q$
        SELECT count(*), encode(
            sha256(convert_to(COALESCE(string_agg(to_jsonb(r)::TEXT, chr(10) ORDER BY r.pgh_id), ''), 'UTF8')), 'hex'
        ) FROM (SELECT %s FROM public.%I WHERE pgh_id > $1 AND pgh_id <= $2) r
        $q$,
        (SELECT string_agg(format('%I', name), ', ') FROM unnest(columns) AS name), of_table
    ) INTO rows, sha256 USING after_id, upto_id;
END
$$;

-- One seal, of the one before and what it covers.
CREATE OR REPLACE FUNCTION guard.chain(before TEXT, made TIMESTAMPTZ, covers JSONB) RETURNS TEXT
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
    SELECT encode(sha256(convert_to(concat_ws(chr(10), before, to_jsonb(made) #>> '{}', covers::TEXT), 'UTF8')), 'hex')
$$;

-- The newest event of each table of the trail.
CREATE OR REPLACE FUNCTION guard.newest() RETURNS JSONB
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name TEXT;
    number BIGINT;
    found JSONB := '{}';
BEGIN
    FOR name IN
        SELECT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE tgname = 'attest' ORDER BY relname
    LOOP
        EXECUTE format('SELECT max(pgh_id) FROM public.%I', name) INTO number;
        found := found || jsonb_build_object(name, COALESCE(number, 0));
    END LOOP;
    RETURN found;
END
$$;

-- Seals what was marked the last time, once every transaction of then is over, and marks anew; the number of the seal,
-- or null where there was nothing to seal. No writer waits for it.
CREATE OR REPLACE FUNCTION guard.seal() RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    mark guard.mark;
    part RECORD;
    found RECORD;
    names TEXT[];
    after_id BIGINT;
    covers JSONB := '{}';
    newest JSONB;
    before TEXT;
    made TIMESTAMPTZ := clock_timestamp();
    number BIGINT;
BEGIN
    PERFORM pg_advisory_xact_lock(7249403);
    SELECT * INTO mark FROM guard.mark;
    IF EXISTS (SELECT FROM jsonb_array_elements_text(mark.running) r WHERE guard.running() ? r) THEN
        RETURN NULL;  -- somebody who wrote then is not done yet
    END IF;
    FOR part IN SELECT key AS name, value::BIGINT AS upto FROM jsonb_each_text(mark.upto) ORDER BY key LOOP
        after_id := COALESCE((mark.sealed ->> part.name)::BIGINT, -9223372036854775808);
        CONTINUE WHEN part.upto <= after_id;
        SELECT array_agg(attname::TEXT ORDER BY attnum) INTO names FROM pg_attribute
            WHERE attrelid = format('public.%I', part.name)::regclass AND attnum > 0 AND NOT attisdropped;
        SELECT * INTO found FROM guard.digest(part.name, names, after_id, part.upto);
        covers := covers || jsonb_build_object(part.name, jsonb_build_object(
            'columns', names, 'after', after_id, 'upto', part.upto, 'rows', found.rows, 'sha256', found.sha256
        ));
    END LOOP;
    IF covers <> '{}' THEN
        SELECT s.sha256 INTO before FROM public.trialsite_auditseal s ORDER BY s.id DESC LIMIT 1;
        before := COALESCE(before, repeat('0', 64));
        INSERT INTO public.trialsite_auditseal (made_at, covers, previous, sha256)
            VALUES (made, covers, before, guard.chain(before, made, covers)) RETURNING id INTO number;
    END IF;
    -- First the newest events, then who may still be writing earlier ones.
    newest := guard.newest();
    INSERT INTO guard.mark (upto, running, sealed) VALUES (newest, guard.running(), COALESCE(mark.upto, '{}'))
        ON CONFLICT (single) DO UPDATE
            SET upto = excluded.upto, running = excluded.running, sealed = excluded.sealed;
    RETURN number;
END
$$;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA guard FROM PUBLIC;
