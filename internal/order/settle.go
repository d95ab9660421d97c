package order

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/money"
	"github.com/spotpool/spotpool/internal/pay"
	"github.com/spotpool/spotpool/internal/trip"
)

// What orders pay in the end.

type settleArgs struct {
	TripID uuid.UUID `json:"trip_id"`
}

// Drivers and the books wait for it: it is tried for days.
var settleKind = jobs.Kind[settleArgs]{
	Name: "order:settle", Queue: "orders", Tries: 60, Timeout: 10 * time.Second,
	Backoff: jobs.Exponential(time.Second, time.Hour),
	Tags:    func(a settleArgs) []string { return []string{"trip:" + a.TripID.String()} },
}

// SettleTrip returns the job that starts the settlement of a trip that is over.
func SettleTrip(id uuid.UUID) jobs.Job { return settleKind.New(settleArgs{id}) }

func (s *Service) settle(ctx context.Context, a *jobs.Attempt, args settleArgs) error {
	t, err := s.trips.Get(ctx, args.TripID)
	if err != nil {
		return err
	}
	return a.Done(ctx, func(tx *db.Tx) error {
		b := pay.Bill{ID: t.ID, Driver: t.DriverID, Departs: t.DepartAt}
		if b.Charges, err = s.charges(tx, t); err != nil {
			return err
		}
		if len(b.Charges) == 0 {
			return jobs.Skip("nobody has to pay for it")
		}
		return s.startSettlement(tx, b)
	})
}

// charges returns what the orders of a trip that is over are to pay.
func (s *Service) charges(tx *db.Tx, t trip.Trip) (charges []pay.Charge, err error) {
	for _, id := range t.Plan.Orders() {
		o, err := get(tx.DB, id)
		if err != nil {
			return nil, err
		}
		amount, err := o.due(t.Plan.Shared(id))
		if err != nil {
			return nil, err
		}
		if amount > 0 {
			charges = append(charges, pay.Charge{Order: id, Amount: amount})
		}
	}
	return charges, nil
}

// due returns what an order of a trip that is over is to pay for its ride. A late
// cancel has been settled by itself.
func (o Order) due(shared bool) (money.Amount, error) {
	switch {
	case o.Status == Completed:
		return o.Price.Due(shared), nil
	case o.Status == NoShow:
		return o.Price.NoShow(), nil
	case o.Seated():
		return 0, fmt.Errorf("order %s of a trip that is over is still %s", o.ID, o.Status)
	}
	return 0, nil
}

// settleFee starts the settlement of what an order's late cancel has cost: it goes to
// the driver who kept the seat, and to the platform, as a fare does.
func (s *Service) settleFee(ctx context.Context, tx *db.Tx, o Order) error {
	t, err := s.trips.Get(ctx, o.TripID.UUID)
	if err != nil {
		return err
	}
	return s.startSettlement(tx, pay.Bill{
		ID: feeID(o.ID), Driver: t.DriverID, Departs: t.DepartAt, Charges: []pay.Charge{{Order: o.ID, Amount: o.Fee}},
	})
}

func (s *Service) startSettlement(tx *db.Tx, b pay.Bill) error {
	_, err := s.queue.Start(tx, jobs.Subject{Kind: "settlement", ID: b.ID}, Settle(b, s.cfg.DisputeWindow))
	return err
}

// feeID names the settlement of an order's late cancel.
func feeID(order uuid.UUID) uuid.UUID { return uuid.NewSHA1(order, []byte("cancel fee")) }
