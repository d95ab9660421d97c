package roads

import "context"

// Open reads a road network: the files of ReadEdges, of which path is the prefix.
func Open(ctx context.Context, path string, speed float64) (*Network, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return ReadEdges(path, speed)
}
