package httpapi

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/account"
	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
	"github.com/spotpool/spotpool/internal/order"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// exec changes the database behind the program's back.
func (w *world) exec(query string, args ...any) {
	w.t.Helper()
	if err := w.DB.Tx(w.t.Context(), func(tx *db.Tx) error { return tx.Exec(query, args...).Error }); err != nil {
		w.t.Fatal(err)
	}
}

// settled lets a trip, that departs a day back, end with a confirmed order of it, and
// waits until the two are settled.
func (w *world) settled(t tripOut, o orderOut) clock.Day {
	w.t.Helper()
	day := w.drove(t)
	w.exec("UPDATE orders SET status = ? WHERE id = ?", order.Completed, o.ID)
	w.exec("UPDATE trips SET status = ?, version = version + 1, changed_at = ? WHERE id = ?", trip.Completed, w.api.Clock.Now(), t.ID) // the board takes notice
	w.Dispatch(order.SettleTrip(t.ID))
	w.Await("the driver is told", func() bool { return w.Events()["notify:earned done"] > 0 })
	return day
}

// What was settled shows with the order, the driver's statement and the inboxes, and
// what is refunded with all of them again.
func TestARideIsSettledAndRefunded(t *testing.T) {
	w := newWorld(t)
	w.run()
	driver, rider, operator := w.user(account.Driver), w.user(account.Rider), w.user(account.Operator)
	tr := w.offer(driver)
	o := w.confirmed(rider, w.order(rider))
	refund := "/v1/orders/" + o.ID.String() + "/refund"
	w.do(operator, "POST", refund, nil).refused(http.StatusConflict, "payment_closed")
	if o.Charged != nil || o.CancelFee.Amount != 0 {
		t.Errorf("charged %v, a cancel costs %v", o.Charged, o.CancelFee)
	}
	day := w.settled(tr, o)
	ridden := w.see(rider, o)
	if ridden.Payment != pay.Captured || *ridden.Charged != o.Fare {
		t.Errorf("%s with %v charged of %v", ridden.Payment, ridden.Charged, o.Fare)
	}
	if got := w.inbox(driver); !slices.Contains(got, notify.Settled) {
		t.Errorf("the driver was told %v", got)
	}

	w.do(driver, "POST", statementPath, object{"day": day}).is(http.StatusAccepted)
	statement := func() statementOut {
		return into[statementOut](w.do(driver, "GET", statementPath+"?day="+string(day), nil).is(http.StatusOK))
	}
	w.Await("the statement", func() bool { return w.Events()["pay:statement done"] == 1 })
	if st := statement(); st.Total != o.Fare || st.Settled.Rides != 1 || st.Settled.Fares != o.Fare || st.Settled.PaidOut.Amount != 0 ||
		st.Settled.Share.Amount+st.Settled.PlatformFee.Amount != o.Fare.Amount || st.Settled.PlatformFee.Amount*4 > o.Fare.Amount {
		t.Errorf("statement %+v of a fare of %+v", st, o.Fare)
	}

	for range 2 { // the second finds it granted
		if got := into[orderOut](w.do(operator, "POST", refund, nil).is(http.StatusAccepted)); got.Payment != pay.Refunding && got.Payment != pay.Refunded {
			t.Errorf("payment is %s", got.Payment)
		}
	}
	w.awaitOrder(rider, o, "refunded", func(o orderOut) bool { return o.Payment == pay.Refunded })
	w.Await("the rider is told", func() bool { return slices.Contains(w.inbox(rider), notify.Refunded) })
	if st := statement(); st.Settled.Rides != 0 || st.Settled.Share.Amount != 0 || st.Total != o.Fare {
		t.Errorf("statement %+v after the refund", st)
	}
	if found, err := w.api.Payments.LedgerAgrees(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("audit: %v, %v", found, err)
	}
}

func TestRefundsAreRefused(t *testing.T) {
	w := newWorld(t)
	stop := w.Work(allQueues...)
	driver, rider, operator := w.user(account.Driver), w.user(account.Rider), w.user(account.Operator)
	tr := w.offer(driver)
	o := w.confirmed(rider, w.order(rider))
	w.settled(tr, o)
	stop()
	path := "/v1/orders/" + o.ID.String() + "/refund"
	const forbidden = http.StatusForbidden
	w.refuseAll(t, []refusal{
		{"by its rider", rider, "POST", path, nil, forbidden, "operators_only", nil},
		{"by a driver", driver, "POST", path, nil, forbidden, "operators_only", nil},
		{"of no order", operator, "POST", "/v1/orders/" + uuid.NewString() + "/refund", nil, http.StatusNotFound, "order_not_found", nil},
		{"with a field", operator, "POST", path, object{"amount": 1}, malformedStatus, "field_unknown", nil},
	})
	w.exec("UPDATE settlements SET disputed_at = ? WHERE id = ?", w.api.Clock.Now(), tr.ID)
	w.do(operator, "POST", path, nil).refused(http.StatusConflict, "disputes_over")
	w.exec("DELETE FROM settlements")
	w.do(operator, "POST", path, nil).refused(http.StatusConflict, "not_settled")
}
