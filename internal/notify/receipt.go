package notify

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/jobs"
)

// What people are told when money was settled.

type receiptArgs struct {
	Order uuid.UUID `json:"order_id"`
}

type earnedArgs struct {
	Settlement uuid.UUID `json:"settlement_id"`
	Driver     uuid.UUID `json:"driver_id"`
}

var receiptKind = jobs.Kind[receiptArgs]{
	Name: "notify:receipt", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true,
	Tags:              func(a receiptArgs) []string { return []string{"order:" + a.Order.String()} },
}

var earnedKind = jobs.Kind[earnedArgs]{
	Name: "notify:earned", Queue: "notify", Tries: 8,
	Backoff: jobs.Exponential(time.Second, time.Minute), Timeout: 10 * time.Second,
	DeleteWhenMissing: true, // where nothing was charged there is no settlement
	Tags:              func(a earnedArgs) []string { return []string{"driver:" + a.Driver.String()} },
}

// Receipt returns the job that tells the order's rider what was charged.
func Receipt(order uuid.UUID) jobs.Job { return receiptKind.New(receiptArgs{order}) }

// Earned returns the job that tells a driver how a settlement was shared out.
func Earned(settlement, driver uuid.UUID) jobs.Job {
	return earnedKind.New(earnedArgs{settlement, driver})
}

func (s *Service) registerReceipts(r *jobs.Registry) {
	jobs.Handle(r, receiptKind, s.tellCharged)
	jobs.Handle(r, earnedKind, s.tellEarned)
}

func (s *Service) tellCharged(ctx context.Context, a *jobs.Attempt, args receiptArgs) error {
	ride, err := s.deps.Rides.Ride(ctx, args.Order)
	if err != nil {
		return err
	}
	held, charged, taken, err := s.deps.Statements.Charged(ctx, args.Order)
	if err != nil {
		return err
	}
	if charged == 0 {
		return jobs.Skip("nothing was charged")
	}
	f := ride.facts()
	f.Held, f.Charged, f.Owed = held, charged, !taken
	return s.deliver(ctx, a, []letter{{
		user: ride.RiderID, event: Receipted, to: ToRider, about: args.Order, order: some(args.Order), trip: some(ride.TripID), facts: f,
	}})
}

func (s *Service) tellEarned(ctx context.Context, a *jobs.Attempt, args earnedArgs) error {
	fares, fee, share, err := s.deps.Statements.Earned(ctx, args.Settlement)
	if err != nil {
		return err
	}
	return s.deliver(ctx, a, []letter{{
		user: args.Driver, event: Settled, to: ToDriver, about: args.Settlement, facts: facts{Fares: fares, Fee: fee, Share: share},
	}})
}
