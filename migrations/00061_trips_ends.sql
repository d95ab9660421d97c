-- +goose Up
UPDATE trips SET end_lat = dest_lat, end_lng = dest_lng, end_name = dest_name;

-- +goose Down
UPDATE trips SET dest_lat = COALESCE(end_lat, origin_lat), dest_lng = COALESCE(end_lng, origin_lng), dest_name = COALESCE(end_name, origin_name);
