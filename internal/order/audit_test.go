package order

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/trip"
)

// damage is something done to one order behind the program's back, and what an
// audit says of it; nothing when it is no damage after all.
type damage struct {
	says string
	harm func(w *world, o Order)
}

// damaged runs the rule before and after each damage, on orders and a trip of its
// own, and checks that the one order it harms is named with what is wrong.
func damaged(t *testing.T, rule func(*world) func(context.Context) ([]string, error), damages map[string]damage) {
	t.Helper()
	w := newWorld(t)
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			for _, table := range []string{"orders", "payments", "trips"} {
				w.exec("DELETE FROM " + table)
			}
			ride := w.offered(8)
			var orders []Order
			for range 3 {
				orders = append(orders, w.placed(w.person(), aWish()))
			}
			for _, o := range orders[1:] {
				w.seat(o, ride, at(15), at(35))
			}
			if lines, err := rule(w)(t.Context()); len(lines) > 0 || err != nil {
				t.Fatalf("before: %v, %v", lines, err)
			}
			harmed := w.get(orders[1].ID)
			c.harm(w, harmed)
			lines, err := rule(w)(t.Context())
			if err != nil || (len(lines) == 0) != (c.says == "") {
				t.Fatalf("found %v, %v, want %q", lines, err, c.says)
			}
			if c.says != "" && (len(lines) != 1 || !strings.Contains(lines[0], harmed.ID.String()) || !strings.Contains(lines[0], c.says)) {
				t.Errorf("found %v, want %q of order %s", lines, c.says, harmed.ID)
			}
		})
	}
}

// replan gives a trip another plan behind the program's back.
func (w *world) replan(id uuid.UUID, change func(trip.Plan) trip.Plan) {
	w.t.Helper()
	now, err := w.trips.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec("UPDATE trips SET plan = ? WHERE id = ?", change(now.Plan), id)
}

// made gives the order's stop of a kind another state.
func made(p trip.Plan, o Order, kind trip.StopKind, state trip.StopState) trip.Plan {
	for i := range p {
		if p[i].OrderID == o.ID && p[i].Kind == kind {
			p[i].State = state
		}
	}
	return p
}

func TestSeatsAgree(t *testing.T) {
	status := func(s Status) func(*world, Order) {
		return func(w *world, o Order) { w.exec("UPDATE orders SET status = ? WHERE id = ?", s, o.ID) }
	}
	damaged(t, func(w *world) func(context.Context) ([]string, error) { return w.SeatsAgree }, map[string]damage{
		"confirmed is as good":  {"", status(Confirmed)},
		"riding too early":      {"is riding; by the stops of trip", status(Riding)},
		"cancelled, yet seated": {"is cancelled with 1 seats; trip", status(Cancelled)},
		"expired, yet seated":   {"is expired", status(Expired)},
		"completed too early":   {"is completed; by the stops of trip", status(Completed)},
		"in the car": {"is matched; by the stops of trip", func(w *world, o Order) {
			w.replan(o.TripID.UUID, func(p trip.Plan) trip.Plan { return made(p, o, trip.Pickup, trip.Made) })
		}},
		"riding": {"", func(w *world, o Order) {
			status(Riding)(w, o)
			w.replan(o.TripID.UUID, func(p trip.Plan) trip.Plan { return made(p, o, trip.Pickup, trip.Made) })
		}},
		"left behind": {"", func(w *world, o Order) {
			status(NoShow)(w, o)
			w.replan(o.TripID.UUID, func(p trip.Plan) trip.Plan { return made(p, o, trip.Pickup, trip.Missed) })
		}},
		"arrived": {"", func(w *world, o Order) {
			status(Completed)(w, o)
			w.replan(o.TripID.UUID, func(p trip.Plan) trip.Plan {
				return made(made(p, o, trip.Pickup, trip.Made), o, trip.Dropoff, trip.Made)
			})
		}},
		"more seats than planned": {"has 1 for it", func(w *world, o Order) { w.exec("UPDATE orders SET seats = 2 WHERE id = ?", o.ID) }},
		"not on the plan": {"has 0 for it", func(w *world, o Order) {
			w.replan(o.TripID.UUID, func(p trip.Plan) trip.Plan { return p.Without(o.ID) })
		}},
		"on the plan twice": {"has 2 for it", func(w *world, o Order) {
			w.replan(o.TripID.UUID, func(p trip.Plan) trip.Plan { return append(p, p[0]) })
		}},
		"on a trip that is not": {"has 0 for it", func(w *world, o Order) { w.exec("UPDATE orders SET trip_id = ? WHERE id = ?", uuid.New(), o.ID) }},
		"cancelled and taken off": {"", func(w *world, o Order) {
			status(Cancelled)(w, o)
			w.replan(o.TripID.UUID, func(p trip.Plan) trip.Plan { return p.Without(o.ID) })
		}},
	})
}

func TestPaymentsAgree(t *testing.T) {
	set := func(s Status, payment string) func(*world, Order) {
		return func(w *world, o Order) {
			w.exec("UPDATE orders SET status = ? WHERE id = ?", s, o.ID)
			w.exec("UPDATE payments SET status = ? WHERE order_id = ?", payment, o.ID)
		}
	}
	damages := map[string]damage{
		"looks for another trip, held": {"", func(w *world, o Order) {
			w.exec("UPDATE orders SET rematches = 1 WHERE id = ?", o.ID)
			set(Matching, "held")(w, o)
		}},
		"looks for another trip, not held": {"is matching and its payment none", func(w *world, o Order) {
			w.exec("UPDATE orders SET rematches = 1 WHERE id = ?", o.ID)
			set(Matching, "none")(w, o)
		}},
		"no payment": {"its payment missing", func(w *world, o Order) { w.exec("DELETE FROM payments WHERE order_id = ?", o.ID) }},
	}
	for s, fine := range map[Status][]string{
		Matching: {"none", "lapsed"}, Matched: {"none", "held", "lapsed"}, Confirmed: {"held", "lapsed"}, Riding: {"held", "lapsed"},
		Cancelled: {"none", "voided", "lapsed"}, Expired: {"none", "voided", "lapsed"},
	} {
		for _, payment := range []string{"none", "held", "voided", "captured", "owed", "refunding", "refunded", "lapsed"} {
			says := fmt.Sprintf("is %s and its payment %s", s, payment)
			if slices.Contains(fine, payment) {
				says = ""
			}
			damages[string(s)+", "+payment] = damage{says, set(s, payment)}
		}
	}
	damaged(t, func(w *world) func(context.Context) ([]string, error) { return w.PaymentsAgree }, damages)
}

// More orders than an audit holds in memory at a time.
func TestSeatsAgreeTurnsItsPages(t *testing.T) {
	w := newWorld(t)
	o, ride := w.placed(w.person(), aWish()), w.offered(1)
	w.exec("UPDATE orders SET status = 'confirmed', trip_id = ? WHERE id = ?", ride.ID, o.ID)
	w.tx(func(tx *db.Tx) error {
		var model row
		if err := tx.Where("id = ?", o.ID).Take(&model).Error; err != nil {
			return err
		}
		copies := make([]row, 2*auditPage)
		for i := range copies {
			copies[i] = model
			copies[i].ID = uuid.Must(uuid.NewV7())
		}
		return tx.CreateInBatches(copies, 100).Error
	})
	lines, err := w.SeatsAgree(t.Context())
	if err != nil || len(lines) != 2*auditPage+1 {
		t.Errorf("%d findings, %v, want %d", len(lines), err, 2*auditPage+1)
	}
}
