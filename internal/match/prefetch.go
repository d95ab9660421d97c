package match

import (
	"context"

	"github.com/spotpool/spotpool/internal/geo"
)

// prefetchMost is how many routes a travel model that asks a server fetches legs for:
// those that look best by what it knows, or estimates, so far.
const prefetchMost = 12

// prefetch has such a model fetch the legs that a search for the request will ask for.
func (b *Board) prefetch(ctx context.Context, req Request) error {
	server, ok := b.travel.(geo.Fetcher)
	if !ok {
		return nil
	}
	ends := []geo.Point{req.Origin.Point, req.Dest.Point}
	stops := b.stopsNear(req)
	if err := server.Prefetch(ctx, ends, append(stops, ends...)); err != nil {
		return err
	}
	return server.Prefetch(ctx, stops, ends)
}

// stopsNear returns the stops of the routes that look best for the request.
func (b *Board) stopsNear(req Request) (stops []geo.Point) {
	s := b.searchers.Get().(*searcher)
	defer b.searchers.Put(s)
	if !s.begin(b.travel, req.ride(b.travel), since(b.clock.Now())) {
		return nil
	}
	s.most = prefetchMost
	b.mu.RLock()
	defer b.mu.RUnlock()
	s.search(b.index)
	for _, in := range s.found {
		for _, v := range in.route.places() {
			stops = append(stops, v.Point)
		}
	}
	return stops
}
