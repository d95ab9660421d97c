package order

import (
	"context"
	"testing"

	"github.com/google/uuid"
)

// told gives an order's end, and a notice of an event in its rider's inbox, behind the
// program's back.
func told(s Status, event string) func(*world, Order) {
	return func(w *world, o Order) {
		w.exec("UPDATE orders SET status = ? WHERE id = ?", s, o.ID)
		if event != "" {
			w.exec("INSERT INTO notices (id, user_id, event, about_id, order_id, text, created_at) VALUES (?, ?, ?, ?, ?, '', ?)",
				uuid.Must(uuid.NewV7()), o.RiderID, event, o.ID, o.ID, w.clock.Now())
		}
	}
}

func TestRidersAreTold(t *testing.T) {
	damages := map[string]damage{}
	for s, event := range map[Status]string{Completed: "receipt", NoShow: "no_show", Expired: "expired", Cancelled: "cancelled"} {
		damages[string(s)+", of nothing"] = damage{"is " + string(s) + ", and its rider was not told", told(s, "")}
		damages[string(s)+", of the match"] = damage{"is " + string(s) + ", and its rider was not told", told(s, "matched")}
		damages[string(s)+", of it"] = damage{"", told(s, event)}
	}
	damages["declined, of it"] = damage{"", told(Cancelled, "declined")}
	damages["riding, of nothing"] = damage{"", told(Riding, "")}
	damaged(t, func(w *world) func(context.Context) ([]string, error) { return w.Unanswered }, damages)
}
