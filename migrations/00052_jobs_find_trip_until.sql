-- +goose Up
UPDATE jobs SET retry_until = (SELECT o.match_until FROM flows f JOIN orders o ON o.id = f.subject_id WHERE f.id = jobs.flow_id)
WHERE kind = 'match:find_trip' AND retry_until IS NULL AND state IN ('waiting', 'ready');

-- +goose Down
UPDATE jobs SET retry_until = NULL WHERE kind = 'match:find_trip' AND state IN ('waiting', 'ready');
