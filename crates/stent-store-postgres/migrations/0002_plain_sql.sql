-- Work from other languages: what anybody may call in a transaction of their own. It writes what the store's own dispatch writes.
-- Each function has a search path and plans of its own, so that nothing depends on what its caller has set; each acts with its caller's rights.

-- Which installation this is, in one row: a program whose transaction it is not asked in knows by the id whether it is the same.
CREATE TABLE stent.installation (
    id uuid PRIMARY KEY,
    -- Its schema, and the channel on which its programs listen for hints.
    schema text NOT NULL,
    channel text NOT NULL
);

-- A UUIDv7 of an instant (RFC 9562, section 5.7). The random part comes from what differs between any two calls on one server; PostgreSQL 12
-- has no random UUID of its own.
CREATE FUNCTION stent.new_id(at bigint) RETURNS uuid LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    bytes bytea := substring(sha256(convert_to(concat_ws(' ', random(), random(), pg_backend_pid(), clock_timestamp()), 'UTF8')) FOR 16);
BEGIN
    bytes := overlay(bytes PLACING substring(int8send(new_id.at / 1000) FROM 3) FROM 1 FOR 6);
    bytes := set_byte(bytes, 6, get_byte(bytes, 6) & 15 | 112);
    bytes := set_byte(bytes, 8, get_byte(bytes, 8) & 63 | 128);
    RETURN encode(bytes, 'hex')::uuid;
END
$body$;

-- The channel is that of the store: the schema's name, a long one by its 64-bit FNV-1a digest (<http://www.isthe.com/chongo/tech/comp/fnv/>).
INSERT INTO stent.installation (id, schema, channel) VALUES (stent.new_id(stent.now_us()), '', '');

DO $body$
DECLARE
    name text;
    said text;
    bytes bytea;
    digest numeric := 14695981039346656037;
    low integer;
BEGIN
    SELECT n.nspname INTO name
    FROM stent.installation AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.tableoid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace;
    said := name;
    bytes := convert_to(name, 'UTF8');
    IF octet_length(bytes) > 57 THEN
        FOR place IN 0 .. octet_length(bytes) - 1 LOOP
            low := digest % 256;
            digest := (digest - low + (low # get_byte(bytes, place))) * 1099511628211 % 18446744073709551616;
        END LOOP;
        said := lpad(to_hex((CASE WHEN digest < 9223372036854775808 THEN digest ELSE digest - 18446744073709551616 END)::bigint), 16, '0');
    END IF;
    UPDATE stent.installation SET (schema, channel) = (SELECT name, 'stent:' || said);
END
$body$;

-- Refuses what is no name, as `stent_core::id` does.
CREATE FUNCTION stent.check_name(kind text, name text) RETURNS void LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $body$
BEGIN
    IF coalesce(check_name.name, '') = '' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('%s is empty', check_name.kind), HINT = 'Give it at least one character.';
    ELSIF octet_length(check_name.name) > 255 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('%s has %s bytes; at most 255 are allowed', check_name.kind, octet_length(check_name.name)),
            DETAIL = format('It begins with %L.', left(check_name.name, 24)), HINT = 'Shorten it.';
    ELSIF check_name.name ~ '[\u0001-\u001f\u007f-\u009f]' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('%s holds a control character', check_name.kind),
            DETAIL = format('It is %s.', to_json(check_name.name)), HINT = 'Remove it.';
    END IF;
END
$body$;

-- Refuses what is no payload, as `stent_core::payload` does. What costs more than to parse it is looked at only where a payload looks like it.
CREATE FUNCTION stent.check_payload(payload text) RETURNS void LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $body$
DECLARE
    -- The payload without its texts.
    bare text;
BEGIN
    IF octet_length(check_payload.payload) > 4194304 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('the payload has %s bytes; at most 4194304 are allowed', octet_length(check_payload.payload)),
            HINT = 'Store the data elsewhere and pass a reference.';
    END IF;
    -- What is no JSON is refused by this, with the place where it is none.
    PERFORM check_payload.payload::json;

    IF check_payload.payload ~* '\\ud[89a-f]' AND regexp_replace(
        regexp_replace(check_payload.payload, '\\\\', ' ', 'g'), '\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}', '', 'gi'
    ) ~* '\\ud[89a-f]' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'the payload holds half of a surrogate pair', HINT = 'Write the whole character.';
    END IF;
    IF length(check_payload.payload) - length(translate(check_payload.payload, '[{', '')) <= 127
        AND check_payload.payload !~ '[eE]\+?[0-9]{3}|[0-9]{200}[0-9]{109}' THEN
        RETURN;
    END IF;

    bare := regexp_replace(check_payload.payload, '"(\\.|[^"\\])*"', '', 'g');
    -- Halfway between the largest float and what would follow it.
    IF EXISTS (
        SELECT 1
        FROM regexp_matches(bare, '[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]{3,}|[0-9]{200}[0-9]{109}[0-9]*', 'g') AS number (parts)
        WHERE number.parts[1]::numeric >= 1.797693134862315807937e308
    ) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'the payload holds a number that no float holds', HINT = 'Write it as a text.';
    END IF;
    bare := translate(regexp_replace(bare, '[^][{}]', '', 'g'), '{}', '[]');
    FOR level IN 1 .. 127 LOOP
        EXIT WHEN bare = '';
        bare := replace(bare, '[]', '');
    END LOOP;
    IF bare <> '' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'the payload is nested deeper than 127 levels', HINT = 'Make it flatter, or store it as a text.';
    END IF;
END
$body$;

-- A span in whole microseconds, rounded up, to the year 9999 at most. A day has 24 hours here, and a month 30 days.
CREATE FUNCTION stent.span_us(span interval) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT least(least(ceil(extract(epoch FROM span) * 1000000), 253402300799999999)::bigint, 253402300799999999)
$body$;

-- An instant in microseconds since the Unix epoch, from there to the year 9999; what lies outside is clamped, infinity too.
CREATE FUNCTION stent.instant_us(instant timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT least(least(greatest(extract(epoch FROM instant) * 1000000, 0), 253402300799999999)::bigint, 253402300799999999)
$body$;

-- Makes an execution of what was checked before, for `stent.dispatch` and for the store, in its caller's transaction; answers which one there is.
-- An instant counts, or a span from now. Statements that name nothing new change nothing.
CREATE FUNCTION stent.make_execution(
    id uuid,
    function text,
    queue text,
    priority integer,
    run_at bigint,
    delay bigint,
    timeout bigint,
    deadline bigint,
    deadline_delay bigint,
    idempotency_key text,
    tags text[],
    input text,
    present bigint,
    OUT execution uuid,
    OUT is_new boolean,
    OUT other_input boolean
) LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $body$
#variable_conflict use_column
DECLARE
    due bigint := greatest(present, least(coalesce(run_at, present + coalesce(delay, 0)), 253402300799999999));
    lane integer;
    is_taken boolean := true;
BEGIN
    is_new := false;
    -- In the order of the store: what has the key, then what has the id.
    WHILE make_execution.idempotency_key IS NOT NULL AND is_taken LOOP
        SELECT keys.execution, tasks.input <> make_execution.input INTO execution, other_input
        FROM stent.idempotency_keys AS keys
        JOIN stent.task_rows AS tasks ON tasks.id = keys.execution
        WHERE keys.idempotency_key = make_execution.idempotency_key AND keys.function = make_execution.function;
        IF FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN EXISTS (SELECT 1 FROM stent.task_rows AS tasks WHERE tasks.id = make_execution.id);
        -- Waits for whoever is about to make one under the key. If they do, it is found above; at a higher isolation level the server refuses it.
        -- proven by plain_sql::racing_dispatches_under_one_key_make_one_execution
        INSERT INTO stent.idempotency_keys (idempotency_key, function, execution)
        VALUES (make_execution.idempotency_key, make_execution.function, make_execution.id)
        ON CONFLICT (idempotency_key, function) DO NOTHING;
        is_taken := NOT FOUND;
    END LOOP;
    SELECT coalesce(tasks.execution, tasks.id), tasks.input <> make_execution.input INTO execution, other_input
    FROM stent.task_rows AS tasks
    WHERE tasks.id = make_execution.id;
    IF FOUND THEN
        RETURN;
    END IF;

    SELECT lanes.id INTO lane
    FROM stent.lanes
    WHERE lanes.function = make_execution.function AND lanes.queue = make_execution.queue AND lanes.priority = make_execution.priority;
    IF NOT FOUND THEN
        INSERT INTO stent.lanes (queue, function, priority)
        VALUES (make_execution.queue, make_execution.function, make_execution.priority)
        ON CONFLICT (function, queue, priority) DO NOTHING;
        SELECT lanes.id INTO STRICT lane
        FROM stent.lanes
        WHERE lanes.function = make_execution.function AND lanes.queue = make_execution.queue
          AND lanes.priority = make_execution.priority;
    END IF;

    INSERT INTO stent.task_rows (id, lane, due_at, queued_at, timeout_us, deadline_at, created_at, input)
    VALUES (
        make_execution.id, 4 * lane, due, due, timeout,
        CASE WHEN coalesce(deadline, deadline_delay) IS NOT NULL
             THEN least(coalesce(deadline, present + deadline_delay), 253402300799999999) END,
        present, make_execution.input
    );
    IF cardinality(make_execution.tags) > 0 THEN
        INSERT INTO stent.tags (execution, tag)
        SELECT make_execution.id, label FROM unnest(make_execution.tags) AS label
        ON CONFLICT DO NOTHING;
    END IF;

    -- A hint that work is due, sent with the commit, if anybody listens: listeners hold a lock that says so. Equal ones of a transaction are sent
    -- once: what is due says no time, what is due later says the whole second before.
    PERFORM pg_notify(
        i.channel,
        concat('0000000000000000 due ', CASE WHEN due > present THEN due - due % 1000000 ELSE 0 END, ' ', make_execution.queue)
    )
    FROM stent.installation AS i
    WHERE EXISTS (
        SELECT 1
        FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
          AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
          AND l.classid = (hashtext('stent: listeners')::bigint & 4294967295)::oid
          AND l.objid = (hashtext(i.schema)::bigint & 4294967295)::oid
    );
    execution := make_execution.id;
    is_new := true;
    other_input := false;
END
$body$;

-- Makes an execution of a durable function, which runs once the caller's transaction is committed. See `docs/plain-sql.md`.
CREATE FUNCTION stent.dispatch(
    function text,
    input text DEFAULT 'null',
    queue text DEFAULT 'default',
    priority bigint DEFAULT 0,
    run_at timestamptz DEFAULT NULL,
    delay interval DEFAULT NULL,
    timeout interval DEFAULT NULL,
    deadline timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL,
    tags text[] DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $body$
#variable_conflict use_variable
DECLARE
    present bigint := stent.now_us();
    made record;
BEGIN
    queue := coalesce(queue, 'default');
    input := coalesce(input, 'null');
    priority := coalesce(priority, 0);
    PERFORM stent.check_name('function name', function);
    PERFORM stent.check_name('queue name', queue);
    PERFORM stent.check_payload(input);
    IF priority NOT BETWEEN -2147483648 AND 2147483647 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('priority %s is out of range', priority), HINT = 'Priorities go from -2147483648 to 2147483647.';
    END IF;
    IF run_at IS NOT NULL AND delay IS NOT NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'both run_at and delay are given', HINT = 'Give an instant or a span, not both.';
    END IF;
    IF delay < interval '0' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('delay %s is negative', delay), HINT = 'Leave it out to start at once.';
    END IF;
    IF timeout <= interval '0' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('timeout %s leaves no time', timeout), HINT = 'Leave it out to use the one of the function.';
    END IF;
    IF idempotency_key IS NOT NULL THEN
        PERFORM stent.check_name('idempotency key', idempotency_key);
    END IF;
    IF tags IS NOT NULL THEN
        tags := ARRAY(SELECT DISTINCT label FROM unnest(tags) AS label);
        PERFORM stent.check_name('tag', label) FROM unnest(tags) AS label;
        IF cardinality(tags) > 32 THEN
            RAISE invalid_parameter_value USING
                MESSAGE = format('%s tags are too many; an execution has at most 32', cardinality(tags)), HINT = 'Put the rest into the input.';
        END IF;
    END IF;

    SELECT * INTO made
    FROM stent.make_execution(
        stent.new_id(present), function, queue, priority::integer, stent.instant_us(run_at), stent.span_us(delay), stent.span_us(timeout),
        stent.instant_us(deadline), NULL, idempotency_key, tags, input, present
    );
    IF made.other_input THEN
        RAISE WARNING USING
            MESSAGE = 'an execution with other arguments exists under this idempotency key', DETAIL = format('It is %s.', made.execution);
    END IF;
    RETURN made.execution;
END
$body$;

-- As above, for those who have their input as `json` or `jsonb`.
CREATE FUNCTION stent.dispatch(
    function text, input json, queue text DEFAULT 'default', priority bigint DEFAULT 0, run_at timestamptz DEFAULT NULL,
    delay interval DEFAULT NULL, timeout interval DEFAULT NULL, deadline timestamptz DEFAULT NULL, idempotency_key text DEFAULT NULL,
    tags text[] DEFAULT NULL
) RETURNS uuid LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT stent.dispatch(function, input::text, queue, priority, run_at, delay, timeout, deadline, idempotency_key, tags)
$body$;

CREATE FUNCTION stent.dispatch(
    function text, input jsonb, queue text DEFAULT 'default', priority bigint DEFAULT 0, run_at timestamptz DEFAULT NULL,
    delay interval DEFAULT NULL, timeout interval DEFAULT NULL, deadline timestamptz DEFAULT NULL, idempotency_key text DEFAULT NULL,
    tags text[] DEFAULT NULL
) RETURNS uuid LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT stent.dispatch(function, input::text, queue, priority, run_at, delay, timeout, deadline, idempotency_key, tags)
$body$;
