package pay

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"github.com/spotpool/spotpool/internal/money"
)

// findingsLimit bounds how much one audit rule reports.
const findingsLimit = 100

// LedgerBalances returns a line for each posting, at most 100, that does not sum to
// zero, and one when all of them together do not.
func (s *Service) LedgerBalances(ctx context.Context) ([]string, error) {
	return s.all(ctx, s.unbalanced, s.lopsided)
}

// LedgerAgrees compares the books with payments and settlements and returns a line for
// each, at most 100, that has not the postings of its state, or not of the right
// amounts, and one when there are postings of neither.
func (s *Service) LedgerAgrees(ctx context.Context) ([]string, error) {
	return s.all(ctx, s.misposted, s.misshared, s.strayed)
}

// NoneAboveHold returns a line for each order, at most 100, of whose hold more was
// taken than there was.
func (s *Service) NoneAboveHold(ctx context.Context) ([]string, error) {
	type row struct {
		OrderID                      uuid.UUID
		Amount, Charged, Held, Taken money.Amount
	}
	return sentences(s.db.Read(ctx).Raw(`
		SELECT p.order_id, p.amount, p.charged, COALESCE(h.amount, 0) AS held, COALESCE(c.amount, 0) AS taken
		FROM payments p
		LEFT JOIN ledger_entries h ON h.posting = CONCAT('hold:', p.order_id) AND h.account = 'gateway:holds'
		LEFT JOIN ledger_entries c ON c.posting = CONCAT('capture:', p.order_id) AND c.account = 'gateway:cash'
		WHERE p.charged > p.amount OR COALESCE(c.amount, 0) > COALESCE(h.amount, 0)
		ORDER BY p.order_id LIMIT ?`, findingsLimit),
		func(r row) string {
			return fmt.Sprintf("order %s: %s charged of a payment of %s; by the ledger, %s taken of %s held", r.OrderID, r.Charged, r.Amount, r.Taken, r.Held)
		})
}

// all gathers what several checks find.
func (s *Service) all(ctx context.Context, checks ...func(context.Context) ([]string, error)) (findings []string, err error) {
	for _, check := range checks {
		found, err := check(ctx)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// sentences runs a query and words each of its rows.
func sentences[R any](q *gorm.DB, word func(R) string) ([]string, error) {
	var rows []R
	err := q.Scan(&rows).Error
	findings := make([]string, len(rows))
	for i, r := range rows {
		findings[i] = word(r)
	}
	return findings, err
}

// total is what several lines of the ledger come to.
type total struct {
	Name  string
	Total money.Amount
}

func (s *Service) unbalanced(ctx context.Context) ([]string, error) {
	return sentences(s.db.Read(ctx).Raw(`
		SELECT posting AS name, SUM(amount) AS total FROM ledger_entries
		GROUP BY posting HAVING SUM(amount) <> 0 ORDER BY posting LIMIT ?`, findingsLimit),
		func(r total) string { return fmt.Sprintf("posting %s sums to %s, not to zero", r.Name, r.Total) })
}

func (s *Service) lopsided(ctx context.Context) ([]string, error) {
	return sentences(s.db.Read(ctx).Raw(`
		SELECT 'all' AS name, SUM(amount) AS total FROM ledger_entries HAVING SUM(amount) <> 0`),
		func(r total) string { return fmt.Sprintf("the ledger sums to %s, not to zero", r.Total) })
}

// misposted compares each payment with what its postings move on the accounts of
// holds, of cash and of debts.
func (s *Service) misposted(ctx context.Context) ([]string, error) {
	type row struct {
		OrderID            uuid.UUID
		Status             Status
		Amount, Charged    money.Amount
		Held, Back         money.Amount
		Taken, Owed, Given money.Amount
	}
	return sentences(s.db.Read(ctx).Raw(`SELECT * FROM (
		SELECT p.order_id, p.status, p.amount, p.charged, COALESCE(h.amount, 0) AS held,
			COALESCE(v.amount, 0) + COALESCE(c.amount, 0) + COALESCE(d.amount, 0) + COALESCE(l.amount, 0) AS back,
			COALESCE(cash.amount, 0) AS taken, COALESCE(debt.amount, 0) + COALESCE(paid.amount, 0) AS owed,
			COALESCE(g.amount, 0) AS given
		FROM payments p
		LEFT JOIN ledger_entries h ON h.posting = CONCAT('hold:', p.order_id) AND h.account = 'gateway:holds'
		LEFT JOIN ledger_entries v ON v.posting = CONCAT('void:', p.order_id) AND v.account = 'gateway:holds'
		LEFT JOIN ledger_entries l ON l.posting = CONCAT('lapse:', p.order_id) AND l.account = 'gateway:holds'
		LEFT JOIN ledger_entries c ON c.posting = CONCAT('capture:', p.order_id) AND c.account = 'gateway:holds'
		LEFT JOIN ledger_entries d ON d.posting = CONCAT('debt:', p.order_id) AND d.account = 'gateway:holds'
		LEFT JOIN ledger_entries cash ON cash.posting = CONCAT('capture:', p.order_id) AND cash.account = 'gateway:cash'
		LEFT JOIN ledger_entries debt ON debt.posting = CONCAT('debt:', p.order_id) AND debt.account = CONCAT('rider:', p.rider_id, ':debt')
		LEFT JOIN ledger_entries paid ON paid.posting = CONCAT('capture:', p.order_id) AND paid.account = CONCAT('rider:', p.rider_id, ':debt')
		LEFT JOIN ledger_entries g ON g.posting = CONCAT('refunded:', p.order_id) AND g.account = 'gateway:cash'
		) AS books
		WHERE held <> CASE WHEN status = 'none' THEN 0 ELSE amount END
		   OR back <> CASE WHEN status IN ('none', 'held') THEN 0 ELSE -amount END
		   OR taken <> CASE WHEN status IN ('captured', 'refunding', 'refunded') THEN charged ELSE 0 END
		   OR owed <> CASE WHEN status = 'owed' THEN charged ELSE 0 END
		   OR given <> CASE WHEN status = 'refunded' THEN -charged ELSE 0 END
		ORDER BY order_id LIMIT ?`, findingsLimit),
		func(r row) string {
			return fmt.Sprintf("order %s: payment of %s is %s with %s charged, but the ledger has a hold of %s and its end of %s, %s taken, %s owed, %s given back",
				r.OrderID, r.Amount, r.Status, r.Charged, r.Held, r.Back, r.Taken, r.Owed, r.Given)
		})
}

// misshared compares each settlement with what its orders were charged, and with
// what is left on its account: nothing.
func (s *Service) misshared(ctx context.Context) ([]string, error) {
	type row struct {
		ID                          uuid.UUID
		Fares, Share, Fee           money.Amount
		Charged, Remaining, Payable money.Amount
	}
	return sentences(s.db.Read(ctx).Raw(`SELECT * FROM (
		SELECT s.id, s.fares, s.share, s.fee,
			(SELECT COALESCE(SUM(charged), 0) FROM payments WHERE settlement_id = s.id AND status IN ('captured', 'owed')) AS charged,
			(SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE account = CONCAT('settlement:', s.id, ':fares')) AS remaining,
			(SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE posting = CONCAT('payout:', s.id) AND account LIKE 'driver:%')
				- CASE WHEN s.paid_at IS NULL THEN 0 ELSE s.share END AS payable
		FROM settlements s) AS books
		WHERE fares <> charged OR share + fee <> fares OR remaining <> 0 OR payable <> 0
		ORDER BY id LIMIT ?`, findingsLimit),
		func(r row) string {
			return fmt.Sprintf("settlement %s shares out %s as %s and %s; its orders were charged %s, %s are left, and the payout is off by %s",
				r.ID, r.Fares, r.Share, r.Fee, r.Charged, r.Remaining, r.Payable)
		})
}

// strayed compares counts, in one statement and so at one moment: once each
// payment and settlement has its own postings, any more than those belong to neither.
func (s *Service) strayed(ctx context.Context) ([]string, error) {
	var n struct{ Posted, Due int64 }
	err := s.db.Read(ctx).Raw(`
		SELECT (SELECT COUNT(DISTINCT posting) FROM ledger_entries) AS posted,
		       (SELECT COALESCE(SUM(CASE status WHEN 'none' THEN 0 WHEN 'held' THEN 1 WHEN 'refunding' THEN 3 WHEN 'refunded' THEN 4 ELSE 2 END
		          + CASE WHEN owed_at IS NOT NULL AND status <> 'owed' THEN 1 ELSE 0 END
		          + CASE WHEN lapsed_at IS NOT NULL AND status <> 'lapsed' THEN 1 ELSE 0 END), 0) FROM payments)
		     + (SELECT COUNT(*) + COUNT(paid_at) FROM settlements) AS due`).Scan(&n).Error
	if err != nil || n.Posted == n.Due {
		return nil, err
	}
	return []string{fmt.Sprintf("the ledger has %d postings where payments and settlements account for %d", n.Posted, n.Due)}, nil
}

// DoubleHolds returns a line for each order whose money is held more than once,
// and for each hold at the gateway that two orders claim; at most 100 of each.
func (s *Service) DoubleHolds(ctx context.Context) ([]string, error) {
	return s.all(ctx, func(ctx context.Context) ([]string, error) {
		return sentences(s.db.Read(ctx).Raw(`
			SELECT posting AS name FROM ledger_entries WHERE posting LIKE 'hold:%'
			GROUP BY posting HAVING COUNT(*) > 2 ORDER BY posting LIMIT ?`, findingsLimit),
			func(r total) string { return fmt.Sprintf("posting %s has more than two lines", r.Name) })
	}, func(ctx context.Context) ([]string, error) {
		return sentences(s.db.Read(ctx).Raw(`
			SELECT hold_ref AS name FROM payments WHERE hold_ref <> ''
			GROUP BY hold_ref HAVING COUNT(*) > 1 ORDER BY hold_ref LIMIT ?`, findingsLimit),
			func(r total) string { return fmt.Sprintf("hold %s belongs to more than one order", r.Name) })
	})
}

// overdueAfter is how long an automatic step of a settlement, none of which is tried
// for that long, may be behind before an audit calls it one.
const overdueAfter = 24 * time.Hour

// MoneyStuck returns a line for each payment whose release was given up, and for
// each settlement, payout and refund that should long be over; at most 100 of each.
func (s *Service) MoneyStuck(ctx context.Context) ([]string, error) {
	return s.all(ctx, s.voidsGivenUp, s.unshared, s.unpaid, s.unreturned)
}

// voidsGivenUp finds releases that have failed for good and were not made up for since.
func (s *Service) voidsGivenUp(ctx context.Context) ([]string, error) {
	return sentences(s.db.Read(ctx).Raw("SELECT * FROM payments WHERE void_failed_at IS NOT NULL ORDER BY order_id LIMIT ?", findingsLimit),
		func(p Payment) string {
			return fmt.Sprintf("order %s: releasing %s was given up at %s; the payment is %s",
				p.OrderID, p.Amount, p.VoidFailedAt.Format(time.RFC3339), p.Status)
		})
}

func (s *Service) unshared(ctx context.Context) ([]string, error) {
	return sentences(s.db.Read(ctx).Raw(`SELECT p.* FROM payments p LEFT JOIN settlements s ON s.id = p.settlement_id
		WHERE p.settlement_id IS NOT NULL AND s.id IS NULL AND p.changed_at < ? ORDER BY p.order_id LIMIT ?`,
		s.clock.Now().Add(-overdueAfter), findingsLimit),
		func(p Payment) string {
			return fmt.Sprintf("order %s: %s were charged and never shared out", p.OrderID, p.Charged)
		})
}

func (s *Service) unpaid(ctx context.Context) ([]string, error) {
	return sentences(s.db.Read(ctx).Raw("SELECT * FROM settlements WHERE disputed_at < ? AND paid_at IS NULL AND share > 0 ORDER BY id LIMIT ?",
		s.clock.Now().Add(-overdueAfter), findingsLimit),
		func(st Settlement) string {
			return fmt.Sprintf("settlement %s: driver %s was not paid %s", st.ID, st.DriverID, st.Share)
		})
}

func (s *Service) unreturned(ctx context.Context) ([]string, error) {
	return sentences(s.db.Read(ctx).Raw("SELECT * FROM payments WHERE status = 'refunding' AND changed_at < ? ORDER BY order_id LIMIT ?",
		s.clock.Now().Add(-overdueAfter), findingsLimit),
		func(p Payment) string { return fmt.Sprintf("order %s: %s were not given back", p.OrderID, p.Charged) })
}
