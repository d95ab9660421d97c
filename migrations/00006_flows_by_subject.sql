-- +goose Up
CREATE INDEX flows_by_subject ON flows (subject_id, id);

-- +goose Down
DROP INDEX flows_by_subject /*! ON flows */;
