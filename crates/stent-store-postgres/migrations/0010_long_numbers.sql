-- Schema 10: SQL refuses every number that no float holds, and no other.

-- As in schema 2; there, a number of many digits with a short exponent was taken, which no worker could read, and one that its exponent makes small
-- was not.
-- proven by plain_sql::sql_takes_just_the_payloads_that_rust_takes
CREATE OR REPLACE FUNCTION stent.check_payload(payload text) RETURNS void LANGUAGE plpgsql IMMUTABLE
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
        AND check_payload.payload !~ '[eE]\+?[0-9]{3}|[0-9]{200}' THEN
        RETURN;
    END IF;

    bare := regexp_replace(check_payload.payload, '"(\\.|[^"\\])*"', '', 'g');
    -- Halfway between the largest float and what would follow it.
    IF EXISTS (
        SELECT 1
        FROM regexp_matches(bare, '[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]{3,}|[0-9]{200}[0-9]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?', 'g') AS number (parts)
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
