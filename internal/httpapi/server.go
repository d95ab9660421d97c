// Package httpapi is the HTTP border: routes, what goes in and out, problems,
// live streams, the pages, and asynqmon for operators.
package httpapi

import (
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/rating"
	"github.com/spotpool/spotpool/internal/seal"
	"github.com/spotpool/spotpool/internal/trip"
)

// Deps is what the API serves.
type Deps struct {
	DB          *db.DB
	Redis       redis.UniversalClient
	Jobs        *jobs.Client
	Admin       *jobs.Admin
	Queues      []string     // those that operators see
	Monitor     http.Handler // asynqmon, mounted under MonitorRoot
	Pages       fs.FS
	Accounts    *account.Service
	Trips       *trip.Service
	Whereabouts *trip.Positions
	Orders      *order.Service
	Payments    *pay.Service
	Ratings     *rating.Service
	Notices     *notify.Service
	Hub         *notify.Hub
	Box         *seal.Box
	Clock       clock.Clock
	Registry    *prometheus.Registry
	Log         *slog.Logger
	Rate        Rate
}

// MonitorRoot is where asynqmon is mounted.
const MonitorRoot = "/monitor"

// Server is the API as an http.Handler.
type Server struct {
	Deps
	engine  *gin.Engine
	limiter *limiter
	metrics *metrics

	stopOnce sync.Once
	stopping chan struct{}
}

// New returns the API. It does no I/O.
func New(d Deps) *Server {
	gin.SetMode(gin.ReleaseMode)
	s := &Server{
		Deps: d, engine: gin.New(), limiter: newLimiter(d.Rate, d.Clock), metrics: newMetrics(d.Registry),
		stopping: make(chan struct{}),
	}
	s.engine.HandleMethodNotAllowed = true
	s.engine.Use(s.observe, s.recover, secure)
	s.engine.NoRoute(func(c *gin.Context) {
		problem(c, http.StatusNotFound, "route_not_found", "there is nothing at this address")
	})
	s.engine.NoMethod(func(c *gin.Context) {
		problem(c, http.StatusMethodNotAllowed, "method_not_allowed", "this address does not answer to "+c.Request.Method)
	})
	s.routes()
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Stop ends the live streams, which would hold up a graceful shutdown otherwise.
func (s *Server) Stop() { s.stopOnce.Do(func() { close(s.stopping) }) }

func (s *Server) routes() {
	r := s.engine
	v1 := r.Group("/v1")
	v1.GET("/clock", s.tellTime)
	v1.POST("/auth/codes", s.limitByAddress, s.write(s.requestCode))
	v1.POST("/auth/tokens", s.limitByAddress, s.write(s.signIn))

	for _, source := range []string{pay.StripeHook, pay.SignedHook} {
		v1.POST("/webhooks/"+source, s.webhook(source))
	}

	in := v1.Group("", s.authenticate, s.limitByUser)
	drivers, operators := s.only(account.Driver, errDriversOnly), s.only(account.Operator, errOperators)
	in.POST("/auth/cookie", operators, s.setCookie)
	v1.DELETE("/auth/cookie", s.clearCookie)
	in.POST("/trips", drivers, s.write(s.offerTrip))
	in.GET("/trips", s.listTrips)
	in.GET("/trips/:id", s.getTrip)
	in.PATCH("/trips/:id", s.write(s.changeTrip))
	in.POST("/trips/:id/cancel", s.write(s.cancelTrip))
	in.POST("/trips/:id/depart", s.write(s.drive(s.Orders.SetOut)))
	in.POST("/trips/:id/complete", s.write(s.drive(s.Orders.Complete)))
	for _, act := range []trip.Act{trip.Arrive, trip.PickUp, trip.NoShow, trip.DropOff} {
		in.POST("/trips/:id/stops/:n/"+string(act), s.write(s.atStop(act)))
	}
	in.POST("/trips/:id/position", s.post(s.position))
	in.GET("/trips/:id/events", s.tripEvents)
	in.GET("/trips/:id/notices", s.tripNotices)
	in.POST("/quotes", s.write(s.quote))
	in.POST("/orders", s.write(s.placeOrder))
	in.GET("/orders", s.listOrders)
	in.GET("/orders/:id", s.getOrder)
	in.POST("/orders/:id/cancel", s.write(s.cancelOrder))
	in.POST("/orders/:id/refund", operators, s.write(s.refundOrder))
	in.POST("/orders/:id/rating", s.write(s.rateOrder))
	in.GET("/orders/:id/events", s.orderEvents)
	in.GET("/notifications", s.listNotices)
	in.GET("/notifications/events", s.noticeEvents)
	in.GET("/me/preferences", s.getPreferences)
	in.PUT("/me/preferences", s.write(s.putPreferences))
	in.GET("/me/payment", s.getMeans)
	in.PUT("/me/payment", s.write(s.putMeans))
	in.POST("/broadcasts", operators, s.write(s.announce))
	in.GET("/broadcasts", operators, s.listBroadcasts)
	in.GET("/broadcasts/:id", operators, one(s, notify.ErrNoBroadcast, s.Notices.Broadcast, broadcastOf))
	in.POST("/broadcasts/:id/cancel", operators, s.write(s.callOff))
	in.GET("/drivers/me/statement", drivers, s.getStatement)
	in.POST("/drivers/me/statement", drivers, s.write(s.askStatement))
	s.queueRoutes(in.Group("/queue", operators))

	r.GET("/openapi.yaml", s.openapi)
	r.GET("/healthz", func(c *gin.Context) { c.String(http.StatusOK, "ok\n") })
	r.GET("/readyz", s.ready)
	r.GET("/metrics", gin.WrapH(promhttp.HandlerFor(s.Registry, promhttp.HandlerOpts{})))

	r.GET(MonitorRoot, func(c *gin.Context) { c.Redirect(http.StatusMovedPermanently, MonitorRoot+"/") })
	r.Any(MonitorRoot+"/*any", s.operatorsOnly, gin.WrapH(s.Monitor))

	r.GET("/", s.page("index.html"))
	r.GET("/favicon.ico", s.page("favicon.svg"))
	r.GET("/assets/*path", gin.WrapH(http.StripPrefix("/assets", http.FileServerFS(s.Pages))))
}

func (s *Server) page(name string) gin.HandlerFunc {
	return func(c *gin.Context) { http.ServeFileFS(c.Writer, c.Request, s.Pages, name) }
}

// ready answers whether this process can accept orders, for which it needs the
// database. It accepts them while Redis is down, and says so.
func (s *Server) ready(c *gin.Context) {
	answer := gin.H{"database": "ok", "redis": "ok"}
	status := http.StatusOK
	if err := s.Redis.Ping(c.Request.Context()).Err(); err != nil {
		answer["redis"] = "down: orders are accepted and carried out when it is back"
	}
	if err := s.DB.Ping(c.Request.Context()); err != nil {
		answer["database"], status = "down", http.StatusServiceUnavailable
	}
	c.JSON(status, answer)
}

type clockOut struct {
	Now   string  `json:"now"`
	Speed float64 `json:"speed"`
}

// tellTime answers what the time is, which may run faster than the caller's.
func (s *Server) tellTime(c *gin.Context) {
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, clockOut{stamp(s.Clock.Now()), s.Clock.Speed()})
}

// secure sets headers that make browsers careful.
func secure(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
}

// HTTPServer returns a server for the API with the timeouts of an open address.
// Answers are not timed, since live streams last.
func (s *Server) HTTPServer() *http.Server {
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	srv.RegisterOnShutdown(s.Stop)
	return srv
}
