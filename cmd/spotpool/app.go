package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/config"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/httpapi"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/match"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/rating"
	"github.com/spotpool/spotpool/internal/seal"
	"github.com/spotpool/spotpool/internal/tempo"
	"github.com/spotpool/spotpool/internal/trip"
	"github.com/spotpool/spotpool/web"
)

// app is the whole program: everything is made in newApp, in one line from the
// database up to the API and the worker.
type app struct {
	settings config.Settings
	log      *slog.Logger
	clock    *tempo.Tempo
	registry *prometheus.Registry

	db       *db.DB
	system   *jobs.System
	hub      *notify.Hub
	accounts *account.Service
	trips    *trip.Service
	payments *pay.Service
	orders   *order.Service
	ratings  *rating.Service
	notices  *notify.Service
	board    *match.Board
	api      *httpapi.Server
	worker   *jobs.Worker

	stopRedis context.CancelFunc // of the embedded one
}

// newApp opens the database and makes all parts. Nothing runs yet. A command that brings
// the database up to date has told of the migrations; without it, nil, the database must
// be as it should.
func newApp(ctx context.Context, s config.Settings, log *slog.Logger, told io.Writer) (*app, error) {
	a := &app{settings: s, log: log, registry: prometheus.NewRegistry(), stopRedis: func() {}}
	secret, err := secretOf(s)
	if err != nil {
		return nil, err
	}
	box, err := seal.NewBox(secret)
	if err != nil {
		return nil, err
	}
	zone, err := s.Zone()
	if err != nil {
		return nil, err
	}
	weights, err := s.QueueWeights()
	if err != nil {
		return nil, err
	}
	connections, err := queueConnections(s)
	if err != nil {
		return nil, err
	}
	providers, err := smsProviders(s, clock.System{}, log) // they are outside, where time is the wall's
	if err != nil {
		return nil, err
	}
	gateway, hooks, err := realGateway(s)
	if err != nil {
		return nil, err
	}
	quiet, lang, err := manners(s)
	if err != nil {
		return nil, err
	}
	conn, err := a.openRedis()
	if err != nil {
		return nil, err
	}
	travel, err := openTravel(ctx, s.Travel, a.registry, log)
	if err != nil {
		a.stopRedis()
		return nil, err
	}
	if err := a.openDB(ctx, told); err != nil {
		a.stopRedis()
		return nil, err
	}
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	a.system = jobs.New(jobs.Options{
		DB: a.db, Redis: conn, Connections: connections, Clock: a.clock, Box: box, Retention: s.ShowFinished,
		Metrics: jobs.NewMetrics(a.registry), Log: log,
	})
	queue := a.system.Client()
	live := match.Live{Policy: s.MatchPolicy, Window: s.MatchWindow, Lock: locks[s.MatchLock], Budget: s.MatchBudget}
	a.hub = notify.NewHub(a.system.Redis(), log)
	if a.accounts, err = account.New(a.db, queue, box, a.clock, secret, s.TokenLife); err != nil {
		return nil, errors.Join(err, a.close())
	}
	a.trips = trip.NewService(a.db, queue, a.clock, trip.Config{
		Travel: travel, DefaultDetour: s.DefaultDetour, Zone: zone, NoShowWait: s.NoShowWait,
		Roomier: live.Roomier(), Completed: order.SettleTrip,
	})
	if gateway == nil {
		gateway = sandbox(s, a.db, a.clock)
	}
	a.payments = pay.New(pay.Deps{
		DB: a.db, Queue: queue, Gateway: gateway, Hooks: hooks, Rides: a.trips, Locks: jobs.NewLocker(a.system.Redis()), Clock: a.clock, Zone: zone, Log: log, FeePercent: s.PlatformFee,
	})
	a.orders = order.New(order.Deps{
		DB: a.db, Queue: queue, Trips: a.trips, Payments: a.payments, Riders: a.accounts, Live: a.hub, Clock: a.clock,
		Config: order.Config{Travel: travel, UsualWait: s.UsualWait, MatchFor: s.MatchFor, MaxActive: s.MaxOrders, DisputeWindow: s.DisputeWindow},
	})
	a.ratings = rating.New(a.db, queue, a.orders, a.clock)
	a.board = match.NewBoard(a.trips, travel, a.clock, log)
	matcher := match.NewService(match.Deps{
		DB: a.db, Board: a.board, Trips: a.trips, Orders: a.orders, Queue: queue, Locks: jobs.NewLocker(a.system.Redis()),
		Live: live, Clock: a.clock, Log: log,
	})
	a.notices = notify.New(notify.Deps{
		DB: a.db, Jobs: queue, Limiter: jobs.NewLimiter(a.system.Redis(), a.clock), Rides: a.orders,
		Statements: a.payments, People: a.accounts, SMS: providers, Hub: a.hub, Box: box, Clock: a.clock, Zone: zone, Lang: lang, Quiet: quiet,
		Metrics: notify.NewMetrics(a.registry), SMSPerSecond: s.SMSPerSecond, SMSPerDay: s.SMSPerDay,
	})
	a.api = httpapi.New(httpapi.Deps{
		DB: a.db, Redis: a.system.Redis(), Jobs: queue, Admin: a.system.Admin(), Queues: s.QueueNames(),
		Monitor: a.system.Monitor(httpapi.MonitorRoot), Pages: web.FS,
		Accounts: a.accounts, Trips: a.trips, Whereabouts: trip.NewPositions(a.system.Redis()), Orders: a.orders, Payments: a.payments, Ratings: a.ratings, Notices: a.notices, Hub: a.hub,
		Box: box, Clock: a.clock, Registry: a.registry, Log: log, Rate: httpapi.Rate{User: s.UserRate, Address: s.AddressRate},
	})

	handlers := jobs.NewRegistry()
	handlers.OnFailure(countFailures(a.registry))
	matcher.Register(handlers)
	a.payments.Register(handlers)
	a.orders.Register(handlers)
	a.ratings.Register(handlers)
	a.notices.Register(handlers)
	a.trips.Register(handlers)
	a.worker = a.system.Worker(handlers, workerConfig(s, a.clock, weights,
		a.system.RegisterPrune(handlers, s.KeepFinished, s.KeepFailed), a.api.RegisterPrune(handlers), a.payments.Pruning(),
		a.trips.Nightly(), a.orders.Abandoned()))
	a.registry.MustRegister(a.system.Collector(weights), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "spotpool_board_trips", Help: "Trips on this process's matching board.",
	}, func() float64 { return float64(a.board.Len()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "spotpool_board_age_seconds", Help: "How long ago this process's matching board was known to agree with the database.",
	}, func() float64 { return a.board.Age().Seconds() }))
	return a, nil
}

// openDB opens the database and its clock, see newApp.
func (a *app) openDB(ctx context.Context, told io.Writer) (err error) {
	if a.db, err = db.Open(ctx, a.settings.DatabaseTarget()); err != nil {
		return err
	}
	if told != nil {
		err = a.db.Migrate(ctx, told)
	} else {
		err = a.db.CheckSchema(ctx)
	}
	if err == nil {
		a.clock, err = openClock(ctx, a.db, a.settings, told != nil)
	}
	if err != nil {
		return errors.Join(err, a.db.Close())
	}
	return nil
}

// openClock returns the clock of a database, at the speed of the settings if it may be changed.
func openClock(ctx context.Context, d *db.DB, s config.Settings, change bool) (*tempo.Tempo, error) {
	c, err := tempo.Open(ctx, d, tempo.Ask{Speed: s.ClockSpeed, Change: change})
	if errors.Is(err, tempo.ErrOtherSpeed) {
		return nil, usageError{err}
	}
	if err != nil {
		return nil, err
	}
	if err := s.CheckSpeed(c.Speed()); err != nil {
		return nil, usageError{err}
	}
	return c, nil
}

// openRedis returns how to reach Redis, started in the process when none is named.
func (a *app) openRedis() (asynq.RedisConnOpt, error) {
	if a.settings.Redis != "" {
		conn, err := jobs.ParseRedis(a.settings.Redis)
		if err != nil {
			return nil, usageError{err}
		}
		return conn, nil
	}
	ctx, stop := context.WithCancel(context.Background())
	conn, err := jobs.RunEmbedded(ctx)
	a.stopRedis = stop
	if err != nil {
		stop()
		return nil, fmt.Errorf("start the embedded Redis: %w", err)
	}
	return conn, nil
}

// close closes the connections, after what runs has stopped.
func (a *app) close() error {
	err := errors.Join(a.system.Close(), a.db.Close())
	a.stopRedis()
	return err
}

// secretOf returns the secret: the one set, or that of the data directory,
// which is made at the first start.
func secretOf(s config.Settings) ([]byte, error) {
	if s.Secret != "" {
		return []byte(s.Secret), nil
	}
	path := filepath.Join(s.Data, "secret")
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return nil, err
	}
	if err := makeSecret(path); err != nil {
		return nil, fmt.Errorf("keep a secret in the data directory: %w", err)
	}
	return os.ReadFile(path)
}

// makeSecret writes a new secret unless there is one. It appears whole or not
// at all, since several processes may start at once.
func makeSecret(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	fresh := make([]byte, 32)
	rand.Read(fresh) // never fails, see crypto/rand
	draft := fmt.Sprintf("%s.%d", path, os.Getpid())
	defer func() { _ = os.Remove(draft) }()
	if err := os.WriteFile(draft, []byte(hex.EncodeToString(fresh)), 0o600); err != nil {
		return err
	}
	if err := os.Link(draft, path); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
