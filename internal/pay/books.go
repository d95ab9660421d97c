package pay

import (
	"context"

	"github.com/spotpool/spotpool/internal/money"
)

// Books is where all money is, by the ledger: what riders were charged is Taken + Owed,
// and PaidOut + Payable + Revenue + Refunded + Refunding + Unshared.
type Books struct {
	Taken     money.Amount // from riders
	Owed      money.Amount // by riders, since it could not be taken
	PaidOut   money.Amount // to drivers
	Payable   money.Amount // to drivers
	Revenue   money.Amount // of the platform
	Refunded  money.Amount // to riders
	Refunding money.Amount // to riders, granted and on its way
	Unshared  money.Amount // charged and not shared out yet
	Held      money.Amount // reserved on riders; not ours
}

// Books returns where all money is now.
func (s *Service) Books(ctx context.Context) (b Books, err error) {
	err = s.db.Read(ctx).Raw(`SELECT
		COALESCE(SUM(CASE WHEN account = 'gateway:cash' AND posting LIKE 'capture:%' THEN amount END), 0) AS taken,
		COALESCE(SUM(CASE WHEN account LIKE 'rider:%:debt' THEN amount END), 0) AS owed,
		-COALESCE(SUM(CASE WHEN account = 'gateway:cash' AND posting LIKE 'payout:%' THEN amount END), 0) AS paid_out,
		-COALESCE(SUM(CASE WHEN account LIKE 'driver:%:payable' THEN amount END), 0) AS payable,
		-COALESCE(SUM(CASE WHEN account = 'platform:revenue' THEN amount END), 0) AS revenue,
		-COALESCE(SUM(CASE WHEN account = 'gateway:cash' AND posting LIKE 'refunded:%' THEN amount END), 0) AS refunded,
		-COALESCE(SUM(CASE WHEN account LIKE 'rider:%:refunds' THEN amount END), 0) AS refunding,
		-COALESCE(SUM(CASE WHEN account LIKE 'settlement:%:fares' THEN amount END), 0) AS unshared,
		COALESCE(SUM(CASE WHEN account = 'gateway:holds' THEN amount END), 0) AS held
		FROM ledger_entries`).Scan(&b).Error
	return b, err
}

// In is what riders were charged.
func (b Books) In() money.Amount { return b.Taken + b.Owed }

// Out is where that is.
func (b Books) Out() money.Amount {
	return b.PaidOut + b.Payable + b.Revenue + b.Refunded + b.Refunding + b.Unshared
}

// Unsettled returns how many payments and settlements something is still to become of by
// itself: money that is held or to be given back, charges that were not shared out, and
// drivers who were not paid.
func (s *Service) Unsettled(ctx context.Context) (n int, err error) {
	err = s.db.Read(ctx).Raw(`SELECT
		  (SELECT COUNT(*) FROM payments WHERE status IN ('held', 'refunding'))
		+ (SELECT COUNT(*) FROM payments p LEFT JOIN settlements s ON s.id = p.settlement_id WHERE p.settlement_id IS NOT NULL AND s.id IS NULL)
		+ (SELECT COUNT(*) FROM settlements WHERE paid_at IS NULL AND share > 0)`).Scan(&n).Error
	return n, err
}

// Said is what the sandbox's book comes to.
type Said struct {
	Taken, PaidOut, Refunded money.Amount
	Captures                 int
	Repeats                  int // calls that were made again and had no further effect
}

// Said returns what the sandbox's book comes to, nothing where it keeps none.
func (s *Service) Said(ctx context.Context) (n Said, err error) {
	err = s.db.Read(ctx).Raw(`SELECT
		COALESCE(SUM(CASE WHEN op = 'capture' THEN amount END), 0) AS taken,
		COALESCE(SUM(CASE WHEN op = 'payout' THEN amount END), 0) AS paid_out,
		COALESCE(SUM(CASE WHEN op = 'refund' THEN amount END), 0) AS refunded,
		COUNT(CASE WHEN op = 'capture' THEN 1 END) AS captures,
		COALESCE(SUM(CASE WHEN op <> 'lock' THEN calls - 1 END), 0) AS repeats
		FROM sandbox_book`).Scan(&n).Error
	return n, err
}
