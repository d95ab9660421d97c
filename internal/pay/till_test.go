package pay

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
	"github.com/spotpool/spotpool/internal/pay/paytest"
)

// till is a payment service before a gateway of the signed protocol, whose webhooks
// come in over HTTP. Its time stands still, so nothing happens by waiting.
type till struct {
	*Service
	t       *testing.T
	queue   *jobstest.Harness
	gateway *paytest.Gateway
	said    *lines
}

// newTill returns one whose calls to the gateway go through the middleware given, or a breaker.
func newTill(t *testing.T, around ...jobs.Middleware) *till {
	t.Helper()
	h := jobstest.NewSync(t)
	x := &till{t: t, queue: h, gateway: paytest.New(t, gatewaySecret), said: &lines{}}
	x.gateway.Now = h.Clock.Now
	g := signedAt(t, x.gateway.URL, h.Clock)
	x.Service = New(Deps{
		DB: h.DB, Queue: h.Client, Gateway: g, Hooks: map[string]Hook{SignedHook: g}, Clock: h.Clock, Zone: time.UTC, FeePercent: 20,
		Log: slog.New(slog.NewTextHandler(x.said, nil)),
	})
	if len(around) == 0 {
		around = append(around, gatewayBreaker(h.Clock))
	}
	x.register(h.Registry, around[0])
	x.gateway.Tell(hookServer(t, x.Service))
	return x
}

// hookServer takes webhooks in over HTTP and returns its address.
func hookServer(t *testing.T, s *Service) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = s.Receive(r.Context(), SignedHook, r.Header, body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// start starts a flow that belongs to a subject, and runs what is due.
func (x *till) start(subject uuid.UUID, f jobs.Flow) {
	x.t.Helper()
	inTx(x.t, x.queue.DB, func(tx *db.Tx) error {
		_, err := x.queue.Client.Start(tx, jobs.Subject{Kind: "test", ID: subject}, f)
		return err
	})
	x.queue.Drain()
}

// held returns an order whose fare of 900 is held.
func (x *till) held() uuid.UUID {
	x.t.Helper()
	order := open(x.t, x.Service, 900)
	x.start(order, holdFlow(order))
	x.is(order, Held)
	return order
}

func (x *till) is(order uuid.UUID, want Status) {
	x.t.Helper()
	if got := status(x.t, x.Service, order); got != want {
		x.t.Errorf("the payment is %s, want %s", got, want)
	}
}

// ends fails the test unless the subject's flow has ended so.
func (x *till) ends(subject uuid.UUID, state, cause string) {
	x.t.Helper()
	if v := x.queue.Flow(subject); v.State != state || v.Cause != cause {
		x.t.Errorf("the flow is %s with the cause %q, want %s, %q", v.State, v.Cause, state, cause)
	}
}

// books fails the test unless gateway and ledger agree that so much is held and there.
func (x *till) books(held, cash int64) {
	x.t.Helper()
	x.queue.Drain()
	if x.gateway.Held() != held || x.gateway.Cash() != cash {
		x.t.Errorf("the gateway holds %d and has %d, want %d and %d", x.gateway.Held(), x.gateway.Cash(), held, cash)
	}
	inTx(x.t, x.db, func(tx *db.Tx) error {
		h, err := balance(tx, gatewayHolds)
		c, err2 := balance(tx, gatewayCash)
		if int64(h) != held || int64(c) != cash {
			x.t.Errorf("the books have %d held and %d, want %d and %d", h, c, held, cash)
		}
		return errors.Join(err, err2)
	})
	wantClean(x.t, x.Service)
}

// notes returns what was done about the events that were handled, by their names.
func (x *till) notes() map[string]string {
	x.t.Helper()
	var rows []webhookEvent
	if err := x.db.Read(x.t.Context()).Where("handled_at IS NOT NULL").Find(&rows).Error; err != nil {
		x.t.Fatal(err)
	}
	notes := map[string]string{}
	for _, r := range rows {
		notes[r.Name] = r.Note
	}
	return notes
}

func (x *till) wantNote(event, want string) {
	x.t.Helper()
	if got := x.notes()[event]; got != want {
		x.t.Errorf("about %s was done %q, want %q", event, got, want)
	}
}
