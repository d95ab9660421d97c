// Package osrm takes travel times from the table service of an OSRM server
// (project-osrm.org/docs/v5.24.0/api/#table-service).
package osrm

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/singleflight"

	"github.com/spotpool/spotpool/internal/geo"
)

// Options say where the server is and how it is asked. The zero value of each but URL
// stands for its default.
type Options struct {
	URL       string        // such as http://localhost:5000
	Profile   string        // "driving"
	TableSize int           // coordinates in one request, 100: the server's --max-table-size
	Timeout   time.Duration // of one request, 2 s
	Cached    int           // legs kept, 1,000,000
	Failures  int           // failed requests in a row after which the server is left alone, 3
	Pause     time.Duration // for which it is, 10 s
	Fastest   float64       // metres a second that nothing exceeds, 140 km/h
	Fallback  geo.Travel    // answers what the server has not, geo.DefaultTravel
	Client    *http.Client  // http.DefaultClient
}

func (o Options) withDefaults() Options {
	o.Profile = cmp.Or(o.Profile, "driving")
	o.TableSize = cmp.Or(o.TableSize, 100)
	o.Timeout = cmp.Or(o.Timeout, 2*time.Second)
	o.Cached = cmp.Or(o.Cached, 1_000_000)
	o.Failures = cmp.Or(o.Failures, 3)
	o.Pause = cmp.Or(o.Pause, 10*time.Second)
	o.Fastest = cmp.Or(o.Fastest, 140/3.6)
	o.Client = cmp.Or(o.Client, http.DefaultClient)
	if o.Fallback == nil {
		o.Fallback = geo.DefaultTravel
	}
	return o
}

// Travel is a geo.Travel of legs that Prefetch has asked the server for. It answers
// from a cache, and by the fall-back what is not there: then, and only while legs of
// both kinds are compared, a way by a third spot may seem shorter. It is safe for
// concurrent use.
type Travel struct {
	options Options
	base    string
	legs    *lru.Cache[pair, geo.Leg]
	breaker *gobreaker.CircuitBreaker[*table]
	flight  singleflight.Group

	hits, fallbacks, fetched, requests, failures atomic.Int64
}

var _ geo.Travel = (*Travel)(nil)

// New returns a Travel with an empty cache. It does not ask the server anything.
func New(o Options) (*Travel, error) {
	o = o.withDefaults()
	base, err := url.Parse(o.URL)
	switch {
	case err != nil:
		return nil, err
	case base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, fmt.Errorf("OSRM server %q: want http://host:port", o.URL)
	case o.TableSize < 2:
		return nil, fmt.Errorf("OSRM tables of %d coordinates: want 2 or more", o.TableSize)
	}
	legs, err := lru.New[pair, geo.Leg](o.Cached)
	if err != nil {
		return nil, err
	}
	t := &Travel{options: o, legs: legs, base: strings.TrimRight(o.URL, "/") + "/table/v1/" + url.PathEscape(o.Profile) + "/"}
	t.breaker = gobreaker.NewCircuitBreaker[*table](gobreaker.Settings{
		Name: "osrm", MaxRequests: 1, Timeout: o.Pause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= uint32(o.Failures) },
		IsSuccessful: answered,
	})
	return t, nil
}

// Locate implements geo.Travel: points less than about a metre apart are one spot.
func (t *Travel) Locate(p geo.Point) geo.Spot { return t.options.Fallback.Locate(cellOf(p).point()) }

// Leg implements geo.Travel.
func (t *Travel) Leg(from, to geo.Spot) geo.Leg {
	if leg, ok := t.legs.Get(pair{cellOf(from.Point), cellOf(to.Point)}); ok {
		t.hits.Add(1)
		return leg
	}
	t.fallbacks.Add(1)
	return t.options.Fallback.Leg(from, to)
}

// Pace implements geo.Travel: the server's legs are held to Fastest.
func (t *Travel) Pace() float64 { return max(t.options.Fastest, t.options.Fallback.Pace()) }

// Prefetch asks the server for all legs from one of the points to another that are not
// in the cache, in as few tables as its limit allows. It returns the first error; what
// was answered before stays. While the server is left alone it returns at once with
// gobreaker.ErrOpenState, and once ctx ends with its error.
func (t *Travel) Prefetch(ctx context.Context, from, to []geo.Point) error {
	sources, targets := t.cells(from), t.cells(to)
	for s, d := range tiles(len(sources), len(targets), t.options.TableSize) {
		if err := t.fetch(ctx, sources[s.begin:s.end], targets[d.begin:d.end]); err != nil {
			return err
		}
	}
	return nil
}

// Stats counts what has happened since New.
type Stats struct {
	Hits      int64 // legs answered from the cache
	Fallbacks int64 // legs answered by the fall-back, because they were not in the cache
	Fetched   int64 // legs the server has answered
	Requests  int64 // sent to the server
	Errors    int64 // requests that failed, those refused by the breaker not counted
	Open      bool  // whether the server is being left alone
}

// Stats returns the counters, for the wiring to publish.
func (t *Travel) Stats() Stats {
	return Stats{
		Hits: t.hits.Load(), Fallbacks: t.fallbacks.Load(), Fetched: t.fetched.Load(),
		Requests: t.requests.Load(), Errors: t.failures.Load(), Open: t.breaker.State() == gobreaker.StateOpen,
	}
}

// fetch puts the legs of one table into the cache, unless all of them are there.
// Callers that ask for the same table at the same time share one request.
func (t *Travel) fetch(ctx context.Context, from, to []cell) error {
	if t.known(from, to) {
		return nil
	}
	address := t.base + query(from, to)
	done := t.flight.DoChan(address, func() (any, error) {
		if t.known(from, to) { // by now: a request for them has just ended
			return nil, nil
		}
		legs, err := t.breaker.Execute(func() (*table, error) {
			ask, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.options.Timeout)
			defer cancel()
			return t.ask(ask, address, len(from), len(to))
		})
		if err == nil {
			t.store(from, to, legs)
		}
		return nil, err
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *Travel) known(from, to []cell) bool {
	for _, a := range from {
		for _, b := range to {
			if !t.legs.Contains(pair{a, b}) {
				return false
			}
		}
	}
	return true
}

// store keeps the legs of a table. The server drives from the road nearest to a point:
// where two points are nearest to one road, the leg is none at all. No leg is let be
// faster than Fastest, so that Pace holds.
func (t *Travel) store(from, to []cell, legs *table) {
	for i, a := range from {
		for k, b := range to {
			leg := legs.leg(i, k)
			straight := geo.Distance(a.point(), b.point()) / t.options.Fastest
			leg.Duration = max(leg.Duration, time.Duration(math.Ceil(straight*1000))*time.Millisecond)
			t.legs.Add(pair{a, b}, leg)
		}
	}
	t.fetched.Add(int64(len(from) * len(to)))
}
