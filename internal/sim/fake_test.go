package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// fakeAPI answers as the specification says. Each order lives through its life
// one state a look.
type fakeAPI struct {
	mux  *http.ServeMux
	life func(n int) []string                                // of the n-th order, from 0
	slow func(n int) time.Duration                           // from its accept to its confirmation; half as long to its match
	stop func(w http.ResponseWriter, req *http.Request) bool // answers first, or not at all

	mu       sync.Mutex
	requests []string // method, path and whose
	trips    []sent[TripOffer]
	orders   []*fakeOrder
	cancels  []uuid.UUID
	answers  map[string][]byte // by idempotency key
}

type sent[T any] struct {
	what T
	by   string
	at   time.Time
}

type fakeOrder struct {
	sent[OrderRequest]
	Order
	life []string
}

func newFakeAPI() *fakeAPI {
	f := &fakeAPI{
		mux:     http.NewServeMux(),
		life:    func(int) []string { return []string{statusMatching, statusMatched, statusConfirmed} },
		slow:    func(int) time.Duration { return 300 * time.Millisecond },
		stop:    func(http.ResponseWriter, *http.Request) bool { return false },
		answers: map[string][]byte{},
	}
	f.mux.HandleFunc("POST /v1/trips", f.postTrip)
	f.mux.HandleFunc("POST /v1/quotes", f.postQuote)
	f.mux.HandleFunc("POST /v1/orders", f.postOrder)
	f.mux.HandleFunc("POST /v1/orders/{id}/cancel", f.postCancel)
	f.mux.HandleFunc("GET /v1/orders/{id}", f.getOrder)
	f.mux.HandleFunc("GET /v1/orders", f.getOrders)
	f.mux.HandleFunc("GET /v1/queue/queues", f.getQueues)
	return f
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, req.Method+" "+req.URL.Path+" "+whose(req))
	if f.stop(w, req) {
		return
	}
	if whose(req) == "" {
		refuse(w, http.StatusUnauthorized, "token_missing")
		return
	}
	key := req.Header.Get("Idempotency-Key")
	if req.Method == http.MethodPost && key == "" {
		refuse(w, http.StatusBadRequest, "idempotency_key_missing")
		return
	}
	if old, ok := f.answers[key]; ok {
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(old)
		return
	}
	f.mux.ServeHTTP(w, req)
}

func whose(req *http.Request) string {
	return strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type":"about:blank","title":"No","status":%d,"code":%q,"detail":"because"}`, status, code)
}

// input reads a request strictly, as the real API does.
func input[T any](w http.ResponseWriter, req *http.Request) (in T, ok bool) {
	d := json.NewDecoder(req.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "json_malformed")
		return in, false
	}
	return in, true
}

func (f *fakeAPI) answer(w http.ResponseWriter, req *http.Request, status int, out any) {
	body, _ := json.Marshal(out)
	if key := req.Header.Get("Idempotency-Key"); key != "" {
		f.answers[key] = body
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func (f *fakeAPI) postTrip(w http.ResponseWriter, req *http.Request) {
	in, ok := input[TripOffer](w, req)
	if !ok {
		return
	}
	f.trips = append(f.trips, sent[TripOffer]{in, whose(req), time.Now()})
	f.answer(w, req, http.StatusCreated, Trip{ID: uuid.New(), Status: "open", Seats: in.Seats, SeatsLeft: in.Seats, Origin: in.Origin, DepartAt: in.DepartAt})
}

func (f *fakeAPI) postQuote(w http.ResponseWriter, req *http.Request) {
	if _, ok := input[Ask](w, req); ok {
		f.answer(w, req, http.StatusOK, Quote{Fare{Amount: 1234, Currency: "CNY"}})
	}
}

func (f *fakeAPI) postOrder(w http.ResponseWriter, req *http.Request) {
	in, ok := input[OrderRequest](w, req)
	if !ok {
		return
	}
	n := len(f.orders)
	now := time.Now()
	o := &fakeOrder{
		sent: sent[OrderRequest]{in, whose(req), now},
		Order: Order{
			ID: uuid.Must(uuid.NewV7()), Status: statusMatching, DurationS: 600, CreatedAt: now,
			MatchedAt: now.Add(f.slow(n) / 2), ConfirmedAt: now.Add(f.slow(n)),
			PickupAt: now.Add(10 * time.Minute), DropoffAt: now.Add(22 * time.Minute),
		},
		life: f.life(n),
	}
	// Two orders to a trip.
	o.TripID = uuid.NullUUID{UUID: uuid.NewSHA1(uuid.Nil, []byte{byte(n / 2), byte(n / 512)}), Valid: true}
	f.orders = append(f.orders, o)
	f.answer(w, req, http.StatusAccepted, json.RawMessage(o.show()))
}

func (f *fakeAPI) postCancel(w http.ResponseWriter, req *http.Request) {
	i := slices.IndexFunc(f.orders, func(o *fakeOrder) bool {
		return o.ID.String() == req.PathValue("id") && o.by == whose(req)
	})
	if i < 0 {
		refuse(w, http.StatusNotFound, "order_not_found")
		return
	}
	f.cancels = append(f.cancels, f.orders[i].ID)
	w.WriteHeader(http.StatusAccepted)
}

// show returns the order as it is now, and as JSON with null for what is not there yet.
func (o *fakeOrder) show() []byte {
	seen := map[string]any{"trip_id": nil, "matched_at": nil, "confirmed_at": nil, "pickup_at": nil, "dropoff_at": nil}
	if o.Status == statusMatched || o.Status == statusConfirmed {
		seen["trip_id"], seen["pickup_at"], seen["dropoff_at"] = o.TripID, o.PickupAt, o.DropoffAt
		if !o.MatchedAt.IsZero() {
			seen["matched_at"] = o.MatchedAt
		}
	}
	if o.Status == statusConfirmed && !o.ConfirmedAt.IsZero() {
		seen["confirmed_at"] = o.ConfirmedAt
	}
	maps.Copy(seen, map[string]any{
		"id": o.ID, "status": o.Status, "duration_seconds": o.DurationS, "fare": Fare{Amount: 1234, Currency: "CNY"},
		"payment": "none", "created_at": o.CreatedAt, "flow": map[string]string{"text": "a → b"},
	})
	body, _ := json.Marshal(seen)
	return body
}

func (o *fakeOrder) live() {
	if len(o.life) > 0 {
		o.Status, o.life = o.life[0], o.life[1:]
	}
}

func (f *fakeAPI) getOrder(w http.ResponseWriter, req *http.Request) {
	for _, o := range f.orders {
		if o.ID.String() == req.PathValue("id") {
			o.live()
			_, _ = w.Write(o.show())
			return
		}
	}
	refuse(w, http.StatusNotFound, "order_not_found")
}

func (f *fakeAPI) getOrders(w http.ResponseWriter, req *http.Request) {
	limit, _ := strconv.Atoi(req.FormValue("limit"))
	page := slices.Clone(f.orders)
	slices.SortFunc(page, func(a, b *fakeOrder) int { return bytes.Compare(b.ID[:], a.ID[:]) }) // newest first
	if cursor := req.FormValue("cursor"); cursor != "" {
		page = slices.DeleteFunc(page, func(o *fakeOrder) bool { return o.ID.String() >= cursor })
	}
	out := map[string]any{}
	if len(page) > limit {
		page = page[:limit]
		out["next_cursor"] = page[limit-1].ID.String()
	}
	items := []json.RawMessage{}
	for _, o := range page {
		o.live()
		items = append(items, o.show())
	}
	out["items"] = items
	_ = json.NewEncoder(w).Encode(out)
}

func (f *fakeAPI) getQueues(w http.ResponseWriter, _ *http.Request) {
	n := len(f.orders)
	fmt.Fprintf(w, `{"items":[{"name":"match","pending":%d,"active":2},{"name":"sms","pending":7,"active":1,"wait_seconds":0.5}]}`, n)
}

func (f *fakeAPI) count(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

// inMemory carries requests to a handler without a network, so that tests may
// run on the virtual clock of a synctest bubble.
type inMemory struct{ http.Handler }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	in := req.Clone(req.Context())
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		in.Body = io.NopCloser(bytes.NewReader(body))
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, in)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (f *fakeAPI) client() Client { return NewClient("http://fake/", inMemory{f}) }

// names are tokens such as "rider 7".
func names(_ context.Context, role string, n int) (tokens []string, _ error) {
	for i := range n {
		tokens = append(tokens, fmt.Sprint(role, " ", i))
	}
	return tokens, nil
}
