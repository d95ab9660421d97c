package roads

import (
	"context"
	"strings"
)

// Open reads a road network: OpenStreetMap data if path ends in .pbf (see ReadPBF), or
// else the two files of which it is the prefix, to be driven at a speed in metres a
// second (see ReadEdges).
func Open(ctx context.Context, path string, speed float64) (*Network, error) {
	if strings.HasSuffix(path, ".pbf") {
		return ReadPBF(ctx, path)
	}
	return ReadEdges(ctx, path, speed)
}
