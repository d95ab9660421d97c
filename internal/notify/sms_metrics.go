package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spotpool/spotpool/internal/jobs"
)

// Metrics counts SMS. A nil Metrics counts nothing.
type Metrics struct {
	asked   *prometheus.CounterVec
	skipped *prometheus.CounterVec
}

// NewMetrics registers the metrics of SMS.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spotpool_sms_total", Help: "SMS that a provider was asked to send, by what came of it (sent, retried, released, failed).",
		}, []string{"provider", "result"}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spotpool_sms_skipped_total", Help: "SMS about notices that were not sent, by why (opted_out, no_number, over_budget, overtaken).",
		}, []string{"why"}),
	}
	reg.MustRegister(m.asked, m.skipped)
	return m
}

// answered counts what a provider made of a message.
func (m *Metrics) answered(provider string, err error) {
	if m == nil {
		return
	}
	result := "retried"
	switch {
	case err == nil:
		result = "sent"
	case jobs.IsRelease(err):
		result = "released"
	case jobs.IsFail(err):
		result = "failed"
	}
	m.asked.WithLabelValues(provider, result).Inc()
}

func (m *Metrics) skip(why string) {
	if m != nil {
		m.skipped.WithLabelValues(why).Inc()
	}
}
