package sim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/geo"
)

var (
	noon   = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	square = Place{Point: geo.Point{Lat: 31.233, Lng: 121.475}, Name: "人民广场"}
	tower  = Place{Point: geo.Point{Lat: 31.238, Lng: 121.5}}
)

// serve answers the n-th request (from 1) with answers[n-1], the last one for ever.
func serve(answers ...http.HandlerFunc) (http.Handler, *[]*http.Request) {
	var seen []*http.Request
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		seen = append(seen, req)
		answers[min(len(seen), len(answers))-1](w, req)
	}), &seen
}

func plain(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func problemOf(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { refuse(w, status, code) }
}

func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestClientSpeaksTheAPI(t *testing.T) {
	type call func(Client) error
	id := uuid.MustParse("0198c2a4-0000-7000-8000-000000000001")
	ctx := t.Context()
	for name, c := range map[string]struct {
		call    call
		request string // method, URI and body
	}{
		"offer": {
			func(c Client) error {
				_, err := c.OfferTrip(ctx, TripOffer{Origin: square, Destination: &tower, DepartAt: noon, Seats: 4, MaxDetourMinutes: 15})
				return err
			},
			`POST /v1/trips {"origin":{"lat":31.233,"lng":121.475,"name":"人民广场"},"destination":{"lat":31.238,"lng":121.5},"depart_at":"2026-03-02T12:00:00Z","seats":4,"max_detour_minutes":15}`,
		},
		"quote": {
			func(c Client) error { _, err := c.Quote(ctx, Ask{square, tower, 2}); return err },
			`POST /v1/quotes {"origin":{"lat":31.233,"lng":121.475,"name":"人民广场"},"destination":{"lat":31.238,"lng":121.5},"seats":2}`,
		},
		"order now": {
			func(c Client) error {
				_, err := c.PlaceOrder(ctx, OrderRequest{Ask: Ask{tower, tower, 1}})
				return err
			},
			`POST /v1/orders {"origin":{"lat":31.238,"lng":121.5},"destination":{"lat":31.238,"lng":121.5},"seats":1}`,
		},
		"order with times": {
			func(c Client) error {
				_, err := c.PlaceOrder(ctx, OrderRequest{Ask{tower, tower, 1}, noon, noon.Add(time.Hour)})
				return err
			},
			`POST /v1/orders {"origin":{"lat":31.238,"lng":121.5},"destination":{"lat":31.238,"lng":121.5},"seats":1,"depart_after":"2026-03-02T12:00:00Z","arrive_before":"2026-03-02T13:00:00Z"}`,
		},
		"order": {
			func(c Client) error { _, err := c.Order(ctx, id); return err },
			"GET /v1/orders/0198c2a4-0000-7000-8000-000000000001 ",
		},
		"orders": {
			func(c Client) error { _, err := c.Orders(ctx, 200, "a&b"); return err },
			"GET /v1/orders?limit=200&cursor=a%26b ",
		},
		"cancel": {
			func(c Client) error { return c.CancelOrder(ctx, id) },
			"POST /v1/orders/0198c2a4-0000-7000-8000-000000000001/cancel ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got, auth, key string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				body, _ := io.ReadAll(req.Body)
				got = req.Method + " " + req.RequestURI + " " + string(body)
				auth, key = req.Header.Get("Authorization"), req.Header.Get("Idempotency-Key")
				_, _ = io.WriteString(w, "{}")
			}))
			defer server.Close()
			client := NewClient(server.URL+"/", nil).As("secret")
			defer client.Close()
			if err := c.call(client); err != nil {
				t.Fatal(err)
			}
			if got != c.request {
				t.Errorf("sent\n%s\nwant\n%s", got, c.request)
			}
			if auth != "Bearer secret" {
				t.Errorf("Authorization: %q", auth)
			}
			if post := strings.HasPrefix(c.request, "POST"); post != (key != "") {
				t.Errorf("Idempotency-Key: %q", key)
			}
		})
	}
}

func TestClientReadsAnOrder(t *testing.T) {
	api := newFakeAPI()
	rider := api.client().As("rider")
	placed, err := rider.PlaceOrder(t.Context(), OrderRequest{Ask: Ask{square, tower, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if placed.Status != statusMatching || placed.TripID.Valid || !placed.ConfirmedAt.IsZero() || placed.Fare.Amount != 1234 {
		t.Errorf("a new order: %+v", placed)
	}
	var o Order
	for range 3 {
		if o, err = rider.Order(t.Context(), placed.ID); err != nil {
			t.Fatal(err)
		}
	}
	if o.ID != placed.ID || o.Status != statusConfirmed || !o.TripID.Valid || o.ConfirmedAt.Sub(o.CreatedAt) != 300*time.Millisecond {
		t.Errorf("a confirmed order: %+v", o)
	}
}

func TestClientTriesAgainUnderOneKey(t *testing.T) {
	handler, seen := serve(problemOf(500, "internal"), hangUp, plain(502, "<html>"), plain(201, `{"seats":3}`))
	server := httptest.NewServer(handler)
	defer server.Close()
	client := NewClient(server.URL, nil).As("secret")
	defer client.Close()
	for range 2 {
		trip, err := client.OfferTrip(t.Context(), TripOffer{})
		if err != nil || trip.Seats != 3 {
			t.Fatal(trip, err)
		}
	}
	if len(*seen) != 5 {
		t.Fatalf("%d requests, want 4 and 1", len(*seen))
	}
	keys := map[string]int{}
	for _, req := range *seen {
		keys[req.Header.Get("Idempotency-Key")]++
	}
	if len(keys) != 2 || keys[(*seen)[0].Header.Get("Idempotency-Key")] != 4 {
		t.Errorf("keys: %v", keys)
	}
}

func TestClientErrors(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   string
		status int
		tries  int // 0: until patience is over
	}{
		"a rule says no":          {problemOf(422, "seats_out_of_range"), "seats_out_of_range", 422, 1},
		"too many, no time named": {problemOf(429, "too_many_orders"), "too_many_orders", 429, 1},
		"not a problem":           {plain(404, "404 page not found"), "http_404", 404, 1},
		"a list for a problem":    {plain(404, "[]"), "http_404", 404, 1},
		"unreadable success":      {plain(200, "<html>"), "unreadable_answer", 200, 1},
		"a gateway without end":   {plain(502, ""), "http_502", 502, 0},
		"busy longer than asked":  {plain(429, `{"code":"busy"}`, "Retry-After", "3600"), "busy", 429, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handler, seen := serve(c.answer)
				begin := time.Now()
				_, err := NewClient("http://fake", inMemory{handler}).As("x").OfferTrip(t.Context(), TripOffer{})
				if CodeOf(err) != c.code || statusOf(err) != c.status {
					t.Fatalf("got %v, want %s", err, c.code)
				}
				if c.tries > 0 && len(*seen) != c.tries {
					t.Errorf("%d tries, want %d", len(*seen), c.tries)
				}
				if c.tries == 0 && (len(*seen) < 8 || time.Since(begin) != patience) {
					t.Errorf("%d tries in %v", len(*seen), time.Since(begin))
				}
			})
		})
	}
}

func TestClientWaitsAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, seen := serve(plain(429, `{"code":"busy"}`, "Retry-After", "7"), plain(202, `{}`))
		begin := time.Now()
		_, err := NewClient("http://fake", inMemory{handler}).PlaceOrder(t.Context(), OrderRequest{})
		if err != nil || len(*seen) != 2 || time.Since(begin) != 7*time.Second {
			t.Errorf("%v after %d tries and %v", err, len(*seen), time.Since(begin))
		}
	})
}

func TestClientNamesTheProblemBeforeTheSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }
		handler, _ := serve(problemOf(503, "draining"), silent)
		client := NewClient("http://fake", inMemory{handler}).Within(3 * time.Second)
		begin := time.Now()
		_, err := client.Orders(t.Context(), 1, "")
		if CodeOf(err) != "draining" || time.Since(begin) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

func TestClientObeysItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler, _ := serve(plain(503, ""))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begin := time.Now()
		if err := NewClient("http://fake", inMemory{handler}).CancelOrder(ctx, uuid.Nil); err == nil {
			t.Error("no error")
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
	client := NewClient("http://127.0.0.1:1", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := client.CancelOrder(ctx, uuid.Nil)
	if !errors.Is(err, context.Canceled) || CodeOf(err) != "unreachable" {
		t.Errorf("got %v", err)
	}
}
