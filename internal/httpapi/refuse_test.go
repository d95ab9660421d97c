package httpapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs/jobstest"
)

// refusal is a request that must be refused, by whom and why.
type refusal struct {
	name   string
	by     user
	method string
	path   string
	body   any
	status int
	code   string
	header header
}

// refuseAll sends the requests one after another; none of them may write anything.
func (w *world) refuseAll(t *testing.T, refusals []refusal) {
	t.Helper()
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			before := w.counts(t)
			h := header{"Idempotency-Key": uuid.NewString()}
			maps.Copy(h, r.header)
			a := w.do(r.by, r.method, r.path, r.body, h)
			a.t = t
			a.refused(r.status, r.code)
			if after := w.counts(t); !maps.Equal(before, after) {
				t.Errorf("rows before %v, after %v", before, after)
			}
		})
	}
}

// counts returns the number of rows of each table, and of the tries left for sign-in codes.
func (w *world) counts(t *testing.T) map[string]int {
	t.Helper()
	n := map[string]int{}
	for _, table := range []string{
		"users", "sign_in_codes", "idempotency_keys", "flows", "job_batches", "jobs", "failed_jobs", "queue_signals", "trips", "orders", "order_events",
		"payments", "ledger_entries", "notices", "broadcasts", "statements", "settlements", "ratings", "payment_means", "webhook_events", "gateway_waits",
	} {
		var rows int
		if err := w.DB.Read(t.Context()).Raw("SELECT COUNT(*) FROM " + table).Scan(&rows).Error; err != nil {
			t.Fatal(err)
		}
		n[table] = rows
	}
	var tries int
	if err := w.DB.Read(t.Context()).Raw("SELECT COALESCE(SUM(tries_left), 0) FROM sign_in_codes").Scan(&tries).Error; err != nil {
		t.Fatal(err)
	}
	n["tries left"] = tries
	return n
}

const (
	malformedStatus = http.StatusBadRequest
	invalidStatus   = http.StatusUnprocessableEntity
)

func TestOrdersAreRefused(t *testing.T) {
	w := newWorld(t)
	rider, now := w.user(account.Rider), time.Now()
	var all []refusal
	add := func(name string, status int, code string, body any) {
		all = append(all, refusal{name: name, by: rider, method: "POST", path: "/v1/orders", body: body, status: status, code: code})
	}
	o := orderBody()
	add("no body", malformedStatus, "json_invalid", nil)
	add("not JSON", malformedStatus, "json_invalid", "{")
	add("an array", malformedStatus, "json_invalid", "[]")
	add("a string", malformedStatus, "json_invalid", `"seats"`)
	add("two objects", malformedStatus, "json_invalid", "{} {}")
	add("nested too deeply", malformedStatus, "json_invalid", strings.Repeat(`{"origin":`, 6000))
	add("unknown field", malformedStatus, "field_unknown", with(o, "seat", 1))
	add("unknown field within", malformedStatus, "field_unknown", with(o, "origin", with(here, "latitude", 31)))
	add("seats is a string", malformedStatus, "field_malformed", with(o, "seats", "1"))
	add("seats is half", malformedStatus, "field_malformed", with(o, "seats", 1.5))
	add("seats beyond any integer", malformedStatus, "field_malformed", strings.Replace(string(asJSON(o)), `"seats":1`, `"seats":1e99`, 1))
	add("origin is a number", malformedStatus, "field_malformed", with(o, "origin", 5))
	add("lat is a string", malformedStatus, "field_malformed", with(o, "origin", with(here, "lat", "31")))
	add("lat beyond any float", malformedStatus, "field_malformed", `{"origin":{"lat":1e999,"lng":0}}`)
	add("time is a word", malformedStatus, "field_malformed", with(o, "depart_after", "tomorrow"))
	add("time without zone", malformedStatus, "field_malformed", with(o, "depart_after", "2026-03-01T08:00:00"))
	add("time is a number", malformedStatus, "field_malformed", with(o, "depart_after", 1767225600))
	add("no origin", invalidStatus, "field_missing", without(o, "origin"))
	add("no destination", invalidStatus, "field_missing", without(o, "destination"))
	add("no lat", invalidStatus, "field_missing", with(o, "origin", without(here, "lat")))
	add("no lng", invalidStatus, "field_missing", with(o, "origin", without(here, "lng")))
	add("nothing", invalidStatus, "field_missing", "null")
	add("no seats", invalidStatus, "seats_out_of_range", without(o, "seats"))
	for _, n := range []int{0, -1, 9, 99} {
		add(fmt.Sprintf("%d seats", n), invalidStatus, "seats_out_of_range", with(o, "seats", n))
	}
	add("north of the pole", invalidStatus, "point_off_the_globe", with(o, "origin", with(here, "lat", 90.01)))
	add("east of the date line", invalidStatus, "point_off_the_globe", with(o, "destination", with(there, "lng", 180.5)))
	add("long name", invalidStatus, "name_too_long", with(o, "origin", with(here, "name", strings.Repeat("静", 201))))
	add("nowhere to go", invalidStatus, "origin_equals_destination", with(o, "destination", here))
	add("too far", invalidStatus, "too_far", with(o, "destination", with(there, "lat", 48)))
	add("leaves in the past", invalidStatus, "depart_after_in_the_past", with(o, "depart_after", stamp(now.Add(-2*time.Minute))))
	add("leaves in ten days", invalidStatus, "depart_after_too_far", with(o, "depart_after", stamp(now.Add(240*time.Hour))))
	add("arrives before it can", invalidStatus, "arrive_before_too_early", with(o, "arrive_before", stamp(now.Add(time.Minute))))
	add("arrives in ten days", invalidStatus, "arrive_before_too_far", with(o, "arrive_before", stamp(now.Add(240*time.Hour))))
	add("arrives in the year 10000", invalidStatus, "arrive_before_too_far", with(o, "arrive_before", "9999-12-31T23:59:59-10:00"))
	add("too large", http.StatusRequestEntityTooLarge, "body_too_large", with(o, "origin", with(here, "name", strings.Repeat("x", maxBody))))
	w.refuseAll(t, all)
}

func TestTripsAreRefused(t *testing.T) {
	w := newWorld(t)
	driver, now := w.user(account.Driver), time.Now()
	var all []refusal
	add := func(name string, status int, code string, body any) {
		all = append(all, refusal{name: name, by: driver, method: "POST", path: "/v1/trips", body: body, status: status, code: code})
	}
	o := tripBody()
	add("not JSON", malformedStatus, "json_invalid", "seats=3")
	add("unknown field", malformedStatus, "field_unknown", with(o, "price", 1))
	add("time is a number", malformedStatus, "field_malformed", with(o, "depart_at", 1767225600))
	add("detour is a string", malformedStatus, "field_malformed", with(o, "max_detour_minutes", "15"))
	add("no origin", invalidStatus, "field_missing", without(o, "origin"))
	add("no seats", invalidStatus, "seats_out_of_range", without(o, "seats"))
	for _, n := range []int{0, -1, 9, 99} {
		add(fmt.Sprintf("%d seats", n), invalidStatus, "seats_out_of_range", with(o, "seats", n))
	}
	add("south of the pole", invalidStatus, "point_off_the_globe", with(o, "origin", with(west, "lat", -91)))
	add("long name", invalidStatus, "name_too_long", with(o, "destination", with(east, "name", strings.Repeat("x", 201))))
	add("nowhere to go", invalidStatus, "origin_equals_destination", with(o, "destination", west))
	add("detour to nowhere", invalidStatus, "detour_to_nowhere", with(without(o, "destination"), "max_detour_minutes", 15))
	add("left already", invalidStatus, "depart_at_in_the_past", with(o, "depart_at", stamp(now.Add(-2*time.Minute))))
	add("leaves in ten days", invalidStatus, "depart_at_too_far", with(o, "depart_at", stamp(now.Add(240*time.Hour))))
	for _, n := range []int{-1, 121, 1 << 40} {
		add(fmt.Sprintf("detour of %d minutes", n), invalidStatus, "detour_out_of_range", with(o, "max_detour_minutes", n))
	}
	w.refuseAll(t, all)
}

func TestOthersAreRefused(t *testing.T) {
	w := newWorld(t)
	rider, other := w.user(account.Rider), w.user(account.Rider)
	driver, operator := w.user(account.Driver), w.user(account.Operator)
	theirs := "/v1/orders/" + w.order(other).ID.String()
	nothing := uuid.Must(uuid.NewV7()).String()
	quote := without(orderBody(), "seats")
	for range maxOrders - 1 {
		w.order(other)
	}
	const forbidden, notFound = http.StatusForbidden, http.StatusNotFound
	w.refuseAll(t, []refusal{
		{"a rider offers a trip", rider, "POST", "/v1/trips", tripBody(), forbidden, "drivers_only", nil},
		{"an operator offers a trip", operator, "POST", "/v1/trips", tripBody(), forbidden, "drivers_only", nil},
		{"an operator orders", operator, "POST", "/v1/orders", orderBody(), forbidden, "riders_only", nil},
		{"a rider wants the cookie", rider, "POST", "/v1/auth/cookie", nil, forbidden, "operators_only", nil},
		{"one order too many", other, "POST", "/v1/orders", orderBody(), http.StatusConflict, "too_many_orders", nil},
		{"someone else's order", rider, "GET", theirs, nil, notFound, "order_not_found", nil},
		{"someone else's events", rider, "GET", theirs + "/events", nil, notFound, "order_not_found", nil},
		{"someone else's cancel", rider, "POST", theirs + "/cancel", nil, notFound, "order_not_found", nil},
		{"a driver's cancel", driver, "POST", theirs + "/cancel", nil, notFound, "order_not_found", nil},
		{"an unknown order", operator, "GET", "/v1/orders/" + nothing, nil, notFound, "order_not_found", nil},
		{"an order without an id", operator, "GET", "/v1/orders/x", nil, notFound, "order_not_found", nil},
		{"an unknown cancel", operator, "POST", "/v1/orders/" + nothing + "/cancel", nil, notFound, "order_not_found", nil},
		{"a cancel with a field", other, "POST", theirs + "/cancel", object{"why": "rain"}, malformedStatus, "field_unknown", nil},
		{"a cancel that is not JSON", other, "POST", theirs + "/cancel", "please", malformedStatus, "json_invalid", nil},
		{"an unknown trip", operator, "GET", "/v1/trips/" + nothing, nil, notFound, "trip_not_found", nil},
		{"a trip without an id", operator, "GET", "/v1/trips/x", nil, notFound, "trip_not_found", nil},
		{"a quote for nobody", rider, "POST", "/v1/quotes", quote, invalidStatus, "seats_out_of_range", nil},
		{"a quote for too far", rider, "POST", "/v1/quotes", with(orderBody(), "origin", with(here, "lat", 48)), invalidStatus, "too_far", nil},
		{"a quote with times", rider, "POST", "/v1/quotes", with(orderBody(), "depart_after", stamp(time.Now())), malformedStatus, "field_unknown", nil},
		{"a wrong limit", rider, "GET", "/v1/orders?limit=0", nil, invalidStatus, "limit_out_of_range", nil},
		{"a large limit", rider, "GET", "/v1/trips?limit=201", nil, invalidStatus, "limit_out_of_range", nil},
		{"a limit of letters", rider, "GET", "/v1/notifications?limit=ten", nil, invalidStatus, "limit_out_of_range", nil},
		{"a wrong cursor", rider, "GET", "/v1/orders?cursor=2", nil, invalidStatus, "cursor_invalid", nil},
		{"a wrong cursor of trips", rider, "GET", "/v1/trips?cursor=2", nil, invalidStatus, "cursor_invalid", nil},
		{"a wrong cursor of notices", rider, "GET", "/v1/notifications?cursor=2", nil, invalidStatus, "cursor_invalid", nil},
		{"an unknown status", rider, "GET", "/v1/orders?status=lost", nil, invalidStatus, "status_unknown", nil},
		{"a wrong event id", other, "GET", theirs + "/events", nil, malformedStatus, "last_event_id_invalid", header{"Last-Event-ID": "x"}},
		{"a wrong notice id", rider, "GET", "/v1/notifications/events", nil, malformedStatus, "last_event_id_invalid", header{"Last-Event-ID": "7"}},
		{"a long key", rider, "POST", "/v1/orders", orderBody(), malformedStatus, "idempotency_key_invalid", header{"Idempotency-Key": strings.Repeat("k", 129)}},
		{"a key that is no text", rider, "POST", "/v1/orders", orderBody(), malformedStatus, "idempotency_key_invalid", header{"Idempotency-Key": "\xff"}},
		{"a wrong address", rider, "GET", "/v1/order", nil, notFound, "route_not_found", nil},
		{"a wrong method", rider, "PUT", "/v1/orders", orderBody(), http.StatusMethodNotAllowed, "method_not_allowed", nil},
	})
}

func TestStrangersAreRefused(t *testing.T) {
	w := newWorld(t)
	rider := w.user(account.Rider)
	token := func(secret string, life time.Duration) user {
		accounts, err := account.New(w.DB, w.Client, jobstest.Box(t), clock.System{}, []byte(secret), life)
		if err != nil {
			t.Fatal(err)
		}
		text, err := accounts.Mint(rider.User)
		if err != nil {
			t.Fatal(err)
		}
		return user{rider.User, text.Text}
	}
	gone := account.User{ID: uuid.Must(uuid.NewV7()), Role: account.Rider}
	ghost, err := w.api.Accounts.Mint(gone)
	if err != nil {
		t.Fatal(err)
	}
	o := "/v1/orders/" + w.order(rider).ID.String()
	if err := w.DB.Tx(context.Background(), func(tx *db.Tx) error { return w.api.Accounts.RequestCode(tx, rider.Phone) }); err != nil {
		t.Fatal(err)
	}
	const unauthorized = http.StatusUnauthorized
	expired, forged := token(testSecret, -time.Second), token("another secret, as long", time.Hour)
	all := []refusal{
		{"an expired token", expired, "POST", "/v1/orders", orderBody(), unauthorized, "token_expired", nil},
		{"another's token", forged, "POST", "/v1/orders", orderBody(), unauthorized, "token_invalid", nil},
		{"no token at all", user{token: "x"}, "POST", "/v1/orders", orderBody(), unauthorized, "token_invalid", nil},
		{"another scheme", nobody, "GET", "/v1/orders", nil, unauthorized, "not_signed_in", header{"Authorization": "Basic eDp5"}},
		{"a user who is gone", user{gone, ghost.Text}, "POST", "/v1/orders", orderBody(), http.StatusNotFound, "user_not_found", nil},
		{"a code for no number", nobody, "POST", "/v1/auth/codes", object{"phone": "13800138000"}, invalidStatus, "phone_invalid", nil},
		{"a code for nothing", nobody, "POST", "/v1/auth/codes", object{}, invalidStatus, "field_missing", nil},
		{"a code for a list", nobody, "POST", "/v1/auth/codes", object{"phone": []string{}}, malformedStatus, "field_malformed", nil},
		{"a sign-in without a code", nobody, "POST", "/v1/auth/tokens", object{"phone": rider.Phone}, invalidStatus, "field_missing", nil},
		{"a sign-in without a number", nobody, "POST", "/v1/auth/tokens", object{"code": "123456"}, invalidStatus, "field_missing", nil},
		{"a sign-in as operator", nobody, "POST", "/v1/auth/tokens", object{"phone": rider.Phone, "code": "123456", "role": "operator"}, invalidStatus, "role_unknown", nil},
		{"a sign-in of nobody", nobody, "POST", "/v1/auth/tokens", object{"phone": w.phone(), "code": "123456"}, unauthorized, "code_wrong", nil},
	}
	for _, r := range []struct{ method, path string }{
		{"POST", "/v1/auth/cookie"}, {"POST", "/v1/trips"}, {"GET", "/v1/trips"}, {"GET", "/v1/trips/x"}, {"POST", "/v1/quotes"},
		{"POST", "/v1/orders"}, {"GET", "/v1/orders"}, {"GET", o}, {"POST", o + "/cancel"}, {"GET", o + "/events"},
		{"GET", "/v1/notifications"}, {"GET", "/v1/notifications/events"}, {"GET", "/monitor/"},
		{"GET", "/v1/me/preferences"}, {"PUT", "/v1/me/preferences"},
	} {
		all = append(all, refusal{r.method + " " + r.path, nobody, r.method, r.path, nil, unauthorized, "not_signed_in", nil})
	}
	w.refuseAll(t, all)
}

func TestProblemsNameTheField(t *testing.T) {
	w := newWorld(t)
	rider := w.user(account.Rider)
	for _, c := range []struct {
		field string
		body  any
	}{
		{"seats", with(orderBody(), "seats", "1")},
		{"seats", with(orderBody(), "seats", 9)},
		{"origin.lat", with(orderBody(), "origin", with(here, "lat", "x"))},
		{"destination.lng", with(orderBody(), "destination", without(there, "lng"))},
		{"colour", with(orderBody(), "colour", "red")},
		{"arrive_before", with(orderBody(), "arrive_before", stamp(time.Now()))},
	} {
		p := into[problemOut](w.do(rider, "POST", "/v1/orders", c.body))
		if len(p.Errors) != 1 || p.Errors[0].Name != c.field || p.Errors[0].Detail == "" {
			t.Errorf("%v: errors %v, want one about %s", c.body, p.Errors, c.field)
		}
	}
}
