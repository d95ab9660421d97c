package jobs

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the jobs of a process do. A nil Metrics counts nothing.
type Metrics struct {
	attempts *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	swept    prometheus.Counter
}

// NewMetrics registers the queue's metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spotpool_job_attempts_total", Help: "Attempts by kind and result (done, skipped, released, woken, retried, failed, put_off).",
		}, []string{"kind", "result"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "spotpool_job_attempt_seconds", Help: "Duration of attempts.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 10),
		}, []string{"kind"}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "spotpool_jobs_swept_total", Help: "Jobs that Redis lacked and the sweep delivered.",
		}),
	}
	reg.MustRegister(m.attempts, m.seconds, m.swept)
	return m
}

func (m *Metrics) observe(kind, result string, took time.Duration) {
	if m != nil {
		m.attempts.WithLabelValues(kind, result).Inc()
		m.seconds.WithLabelValues(kind).Observe(took.Seconds())
	}
}

func (m *Metrics) restored(n int) {
	if m != nil {
		m.swept.Add(float64(n))
	}
}

// depth collects how many tasks each queue holds in Redis, by state.
type depth struct {
	sys    *System
	queues []string
	desc   *prometheus.Desc
	wait   *prometheus.Desc
}

// Collector returns a collector of the depth of the given queues.
func (s *System) Collector(queues map[string]int) prometheus.Collector {
	return depth{
		s, slices.Sorted(maps.Keys(queues)),
		prometheus.NewDesc("spotpool_queue_tasks", "Tasks in Redis by queue and state.", []string{"queue", "state"}, nil),
		prometheus.NewDesc("spotpool_queue_wait_seconds", "How long the oldest pending task has waited.", []string{"queue"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (d depth) Describe(out chan<- *prometheus.Desc) { out <- d.desc; out <- d.wait }

// Collect implements prometheus.Collector. While Redis is down it yields nothing.
func (d depth) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, q := range d.queues {
		v, err := d.sys.depth(ctx, q)
		if err != nil {
			continue
		}
		for state, n := range map[string]int64{
			"pending": v.Pending, "active": v.Active, "scheduled": v.Scheduled, "retry": v.Retry, "archived": v.Archived,
		} {
			out <- prometheus.MustNewConstMetric(d.desc, prometheus.GaugeValue, float64(n), q, state)
		}
		out <- prometheus.MustNewConstMetric(d.wait, prometheus.GaugeValue, v.Wait.Seconds(), q)
	}
}
