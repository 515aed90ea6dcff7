-- Keeps signals, in order. One whose id was taken meanwhile fails the transaction, which is then done anew.
INSERT INTO stent.signals (id, execution, name, payload, received)
SELECT id, execution, name, payload, received
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::boolean[]) AS made (id, execution, name, payload, received)
