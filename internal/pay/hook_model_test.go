package pay

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/pay/paytest"
)

// Whatever a gateway does at once, later, twice, or without saying so, and whatever its
// webhooks say before or after: in the end its books and ours are the same to the last fen.
func TestTheBooksAgreeWhateverWebhooksSay(t *testing.T) {
	x := newTill(t, func(next jobs.Handler) jobs.Handler { return next })
	rapid.Check(t, func(rt *rapid.T) {
		b := Bill{ID: uuid.Must(uuid.NewV7()), Driver: uuid.Must(uuid.NewV7()), Departs: departs}
		modes := []paytest.Mode{paytest.Well, paytest.Well, paytest.Out, paytest.Lost, paytest.Declines, paytest.Later, paytest.Later, paytest.Early}
		shift := func() { x.gateway.Set(rapid.SampledFrom(modes).Draw(rt, "mode")) }
		stir := func() {
			for range rapid.IntRange(0, 4).Draw(rt, "stirs") {
				shift()
				x.queue.Clock.Advance(time.Duration(rapid.IntRange(0, 90).Draw(rt, "seconds")) * time.Second)
				x.queue.Drain()
				if keys := x.gateway.Pending(); len(keys) > 0 && rapid.Bool().Draw(rt, "decides") {
					key := rapid.SampledFrom(keys).Draw(rt, "key")
					mayDecline := strings.HasPrefix(key, "hold:") || strings.HasPrefix(key, "capture:") // of the rest, somebody must look
					x.gateway.Decide(key, !mayDecline || rapid.IntRange(0, 3).Draw(rt, "how") > 0)
				}
			}
		}
		calm := func() { // all that is pending is done, and all jobs end
			x.gateway.Set(paytest.Well)
			for left, rounds := 1, 0; left > 0; x.queue.Clock.Advance(20 * time.Minute) {
				if rounds++; rounds > 500 { // a week
					rt.Fatal("jobs do not end")
				}
				for _, key := range x.gateway.Pending() {
					x.gateway.Decide(key, true)
				}
				x.queue.Drain()
				if err := x.db.Read(t.Context()).Raw("SELECT COUNT(*) FROM jobs WHERE state = 'ready'").Scan(&left).Error; err != nil {
					rt.Fatal(err)
				}
			}
		}
		for range rapid.IntRange(1, 3).Draw(rt, "orders") {
			hold := money.Amount(rapid.IntRange(1, 5000).Draw(rt, "hold"))
			order := open(t, x.Service, hold)
			shift()
			x.start(order, holdFlow(order))
			stir()
			if rapid.IntRange(0, 3).Draw(rt, "called off") == 0 {
				inTx(t, x.db, func(tx *db.Tx) error {
					if done, err := x.queue.Client.Cancel(tx, order); done || err != nil {
						return err
					}
					_, err := x.queue.Client.Undo(tx, order)
					return err
				})
				stir()
			}
			calm()
			if status(t, x.Service, order) != Held {
				continue
			}
			if rapid.IntRange(0, 5).Draw(rt, "lapses") == 0 {
				x.gateway.Release(holdPosting(order))
			}
			b.Charges = append(b.Charges, Charge{order, money.Amount(rapid.IntRange(1, int(hold)).Draw(rt, "charge"))})
		}
		if len(b.Charges) > 0 {
			shift()
			x.start(b.ID, captureAndShare(b))
			stir()
			calm()
			for _, c := range b.Charges {
				if rapid.Bool().Draw(rt, "refund") {
					_ = x.db.Tx(t.Context(), func(tx *db.Tx) error {
						_, err := x.GrantRefund(tx, c.Order)
						return err
					})
					x.queue.Dispatch(Refund(c.Order)) // also where none was granted
				}
			}
			stir()
			shift()
			x.start(b.ID, pays(b))
			stir()
			calm()
		}
		x.books(x.gateway.Held(), x.gateway.Cash())
		if left := x.gateway.Held(); left != 0 {
			rt.Errorf("%d fen stay held", left)
		}
	})
}
