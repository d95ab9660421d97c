package notify

import (
	"testing"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/money"
)

func TestReceipts(t *testing.T) {
	for name, c := range map[string]struct {
		charged money.Amount
		owes    bool
		want    string // empty: no notice
	}{
		"taken":   {1234, false, "Receipt for your ride from A to B: 12.34 CNY charged of 20.00 CNY held."},
		"owed":    {1234, true, "Your ride from A to B cost 12.34 CNY, which we could not charge. You still owe it."},
		"nothing": {0, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.charged, w.owes = c.charged, c.owes
			w.run(Receipt(w.ride.OrderID), Receipt(w.ride.OrderID), Receipt(uuid.New()))
			found, err := w.Inbox(t.Context(), w.ride.RiderID, uuid.Nil, 10)
			switch {
			case err != nil:
				t.Fatal(err)
			case c.want == "" && len(found) > 0:
				t.Errorf("told %+v", found)
			case c.want != "" && (len(found) != 1 || found[0].Text != c.want || found[0].Event != Receipted || found[0].OrderID.UUID != w.ride.OrderID):
				t.Errorf("told %+v, want %q once", found, c.want)
			}
		})
	}
}

func TestADriverIsToldWhatATripHasEarned(t *testing.T) {
	w := newWorld(t)
	driver := uuid.New()
	w.run(Earned(theTrip, driver), Earned(theTrip, driver), Earned(uuid.New(), driver))
	found, err := w.Inbox(t.Context(), driver, uuid.Nil, 10)
	const want = "Your riders were charged 10.01 CNY. Your share is 8.01 CNY, the platform's fee 2.00 CNY. It is paid out when nothing can be disputed any more."
	if err != nil || len(found) != 1 || found[0].Text != want || found[0].Event != Settled {
		t.Errorf("told %+v, %v, want %q once", found, err, want)
	}
}
