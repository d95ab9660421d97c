package httpapi

import (
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/spotpool/spotpool/internal/logs"
)

const requestIDKey = "request_id"

// goodID is what a client may send as X-Request-ID; anything else is replaced.
var goodID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spotpool_http_requests_total", Help: "Requests by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "spotpool_http_request_seconds", Help: "Duration of requests, live streams left out.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 10),
		}, []string{"route", "method"}),
	}
	reg.MustRegister(m.requests, m.seconds)
	return m
}

// observe names each request, logs it and counts it.
func (s *Server) observe(c *gin.Context) {
	began := time.Now()
	id := c.GetHeader("X-Request-ID")
	if !goodID.MatchString(id) {
		id = uuid.NewString()
	}
	c.Set(requestIDKey, id)
	c.Header("X-Request-ID", id)
	s.annotate(c, slog.String(requestIDKey, id))
	c.Next()

	route, status, took := c.FullPath(), c.Writer.Status(), time.Since(began)
	if route == "" {
		route = "none"
	}
	s.metrics.requests.WithLabelValues(route, c.Request.Method, strconv.Itoa(status)).Inc()
	if !strings.HasSuffix(route, "/events") {
		s.metrics.seconds.WithLabelValues(route, c.Request.Method).Observe(took.Seconds())
	}
	level := slog.LevelDebug
	if c.Request.Method != "GET" {
		level = slog.LevelInfo
	}
	if strings.HasPrefix(route, MonitorRoot) || strings.HasSuffix(route, "/position") {
		level = slog.LevelDebug
	}
	s.Log.Log(c.Request.Context(), level, "request", "method", c.Request.Method, "path", c.Request.URL.Path,
		"status", status, "took", took.Round(time.Microsecond))
}

// annotate adds attributes to all that is logged for the request from here on.
func (s *Server) annotate(c *gin.Context, attrs ...slog.Attr) {
	c.Request = c.Request.WithContext(logs.With(c.Request.Context(), attrs...))
}
