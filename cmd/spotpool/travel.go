package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/spotpool/spotpool/internal/geo"
	"github.com/spotpool/spotpool/internal/osrm"
	"github.com/spotpool/spotpool/internal/roads"
)

// openTravel returns the travel model that --travel names. What it cannot read is a
// usage error.
func openTravel(ctx context.Context, name string, metrics prometheus.Registerer, log *slog.Logger) (geo.Travel, error) {
	source, what, _ := strings.Cut(name, ":")
	switch source {
	case "straight":
		return geo.DefaultTravel, nil
	case "roads":
		began := time.Now()
		network, err := roads.Open(ctx, what, geo.DefaultTravel.Speed)
		if err != nil {
			return nil, usageError{err}
		}
		log.Info("roads read", "nodes", network.Nodes(), "outside", network.Outside(), "took", time.Since(began).Round(time.Millisecond))
		return network, nil
	case "osrm":
		travel, err := osrm.New(osrm.Options{URL: what})
		if err != nil {
			return nil, usageError{err}
		}
		metrics.MustRegister(osrmLegs{travel})
		return travel, nil
	}
	return nil, usageError{fmt.Errorf("--travel: %q is none of straight, roads:PATH, osrm:URL", name)}
}

// osrmLegs shows where the legs of an OSRM model come from.
type osrmLegs struct{ travel *osrm.Travel }

var osrmDesc = prometheus.NewDesc("spotpool_osrm_total",
	"Legs answered from the cache (hit) or by the fall-back (fallback), legs and requests asked of the server, requests that failed.",
	[]string{"what"}, nil)

// Describe implements prometheus.Collector.
func (osrmLegs) Describe(to chan<- *prometheus.Desc) { to <- osrmDesc }

// Collect implements prometheus.Collector.
func (o osrmLegs) Collect(to chan<- prometheus.Metric) {
	s := o.travel.Stats()
	for what, n := range map[string]int64{
		"hit": s.Hits, "fallback": s.Fallbacks, "leg": s.Fetched, "request": s.Requests, "failure": s.Errors,
	} {
		to <- prometheus.MustNewConstMetric(osrmDesc, prometheus.CounterValue, float64(n), what)
	}
}
