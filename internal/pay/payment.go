// Package pay holds riders' money at a payment gateway, takes what they owe, pays
// drivers their share, and keeps the books of it.
//
// An order has one payment. Its money is held while the order is being confirmed,
// and given back when the order comes to nothing; once it is known what is owed,
// that is captured and the rest released. Every move is posted to a double-entry
// ledger in the commit that changes the payment.
package pay

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/fault"
	"github.com/spotpool/spotpool/internal/money"
)

// Status says where a payment's money is.
type Status string

// The statuses.
const (
	None      Status = "none"      // nothing was asked of the gateway, or nothing came of it
	Held      Status = "held"      // reserved on the rider's account
	Captured  Status = "captured"  // what is owed was taken, the rest released
	Owed      Status = "owed"      // it could not be taken and is the rider's debt
	Voided    Status = "voided"    // reserved, then released
	Lapsed    Status = "lapsed"    // reserved, then let go by the gateway; what is charged is owed
	Refunding Status = "refunding" // taken; it is being given back
	Refunded  Status = "refunded"  // taken, then given back
)

var next = map[Status][]Status{
	None:      {Held},
	Held:      {Captured, Owed, Voided, Lapsed},
	Lapsed:    {Owed},
	Owed:      {Captured},
	Captured:  {Refunding},
	Refunding: {Refunded},
}

// Can reports whether a payment may go from s to to.
func (s Status) Can(to Status) bool { return slices.Contains(next[s], to) }

// Charged reports whether the rider was charged, whatever came of it later.
func (s Status) Charged() bool {
	return slices.Contains([]Status{Captured, Owed, Refunding, Refunded}, s)
}

// Payment is what is done with the money of one order.
type Payment struct {
	OrderID      uuid.UUID `gorm:"primaryKey"`
	RiderID      uuid.UUID
	Amount       money.Amount // of the hold
	Status       Status
	Payer        Payer         `gorm:"embedded"` // as the rider had named it when the payment was opened
	HoldRef      string        // the gateway's name for the hold, empty until there is one
	Charged      money.Amount  // of the hold, once that is captured or owed
	SettlementID uuid.NullUUID // by which it was charged
	OwedAt       *time.Time    // when taking it was given up, also if it was taken later
	VoidFailedAt *time.Time    // when releasing it was given up, until it is released all the same
	ClosedAt     *time.Time    // when it was released with nothing held; it is not held any more
	LapsedAt     *time.Time    // when the gateway was found to have let go of it
	ContestedAt  *time.Time    // when the rider's bank first contested the charge
	CreatedAt    time.Time
	ChangedAt    time.Time
}

// TableName implements gorm's Tabler.
func (Payment) TableName() string { return "payments" }

// ErrPending says that the gateway has taken a command and yet to decide it.
var ErrPending = errors.New("the gateway has not decided yet")

// Faults of this package.
var (
	// ErrDeclined says that the gateway refused to hold or to take the rider's money.
	ErrDeclined = fault.New(fault.Conflict, "payment_declined", "the payment was declined")
	// ErrClosed says that the payment is past the point where this may be done.
	ErrClosed = fault.New(fault.Conflict, "payment_closed", "the payment is closed")
	// ErrNotFound says that the order has no payment.
	ErrNotFound = fault.New(fault.NotFound, "payment_not_found", "no such payment")
	// ErrAboveHold says that more was to be taken than is held, or nothing.
	ErrAboveHold = fault.New(fault.Invalid, "amount_above_hold", "what is taken must be more than nothing and at most what is held")
	// ErrUnanswered says that the gateway took too long to decide.
	ErrUnanswered = fault.New(fault.Conflict, "payment_unanswered", "the gateway has not decided in time")
	// ErrRefused says that the gateway does not take the command, or us: someone must look.
	ErrRefused = fault.New(fault.Conflict, "gateway_refused", "the gateway refuses the request")
	// ErrNoAccount says that a driver has not named where to be paid.
	ErrNoAccount = fault.New(fault.Conflict, "payout_account_missing", "the driver has named no account to be paid to")
)
