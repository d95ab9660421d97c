package pay

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/money"
)

// findingsLimit bounds how much one audit rule reports.
const findingsLimit = 100

// LedgerAgrees checks the books and returns a line for each thing that is
// wrong, at most 100 for each of: every posting sums to zero; a held payment
// has its hold posting, a voided one that and its void posting, any other
// neither; no posting is without its payment.
func (s *Service) LedgerAgrees(ctx context.Context) ([]string, error) {
	var findings []string
	for _, check := range []func(context.Context) ([]string, error){s.unbalanced, s.misposted, s.strayed} {
		found, err := check(ctx)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func (s *Service) unbalanced(ctx context.Context) ([]string, error) {
	var rows []struct {
		Posting string
		Total   money.Amount
	}
	err := s.db.Read(ctx).Raw(`
		SELECT posting, SUM(amount) AS total FROM ledger_entries
		GROUP BY posting HAVING SUM(amount) <> 0 ORDER BY posting LIMIT ?`, findingsLimit).Scan(&rows).Error
	findings := make([]string, len(rows))
	for i, r := range rows {
		findings[i] = fmt.Sprintf("posting %s sums to %s, not to zero", r.Posting, r.Total)
	}
	return findings, err
}

func (s *Service) misposted(ctx context.Context) ([]string, error) {
	var rows []struct {
		OrderID    uuid.UUID
		Status     Status
		Amount     money.Amount
		Held, Back money.Amount
	}
	err := s.db.Read(ctx).Raw(`
		SELECT p.order_id, p.status, p.amount, COALESCE(h.amount, 0) AS held, COALESCE(v.amount, 0) AS back
		FROM payments p
		LEFT JOIN ledger_entries h ON h.posting = CONCAT('hold:', p.order_id) AND h.account = ?
		LEFT JOIN ledger_entries v ON v.posting = CONCAT('void:', p.order_id) AND v.account = ?
		WHERE COALESCE(h.amount, 0) <> CASE WHEN p.status IN ('held', 'voided') THEN p.amount ELSE 0 END
		   OR COALESCE(v.amount, 0) <> CASE WHEN p.status = 'voided' THEN -p.amount ELSE 0 END
		ORDER BY p.order_id LIMIT ?`, gatewayHolds, gatewayHolds, findingsLimit).Scan(&rows).Error
	findings := make([]string, len(rows))
	for i, r := range rows {
		findings[i] = fmt.Sprintf("order %s: payment of %s is %s, but the ledger has a hold of %s and a void of %s",
			r.OrderID, r.Amount, r.Status, r.Held, r.Back)
	}
	return findings, err
}

// strayed compares counts, in one statement and so at one moment: once each
// payment has its own postings, any more than those belong to no payment.
func (s *Service) strayed(ctx context.Context) ([]string, error) {
	var n struct{ Posted, Due int64 }
	err := s.db.Read(ctx).Raw(`
		SELECT (SELECT COUNT(DISTINCT posting) FROM ledger_entries) AS posted,
		       (SELECT COALESCE(SUM(CASE status WHEN 'held' THEN 1 WHEN 'voided' THEN 2 ELSE 0 END), 0)
		        FROM payments) AS due`).Scan(&n).Error
	if err != nil || n.Posted == n.Due {
		return nil, err
	}
	return []string{fmt.Sprintf("the ledger has %d postings where the payments account for %d", n.Posted, n.Due)}, nil
}

// DoubleHolds returns a line for each order whose money is held more than once,
// and for each hold at the gateway that two orders claim; at most 100 of each.
func (s *Service) DoubleHolds(ctx context.Context) ([]string, error) {
	var orders []string
	err := s.db.Read(ctx).Raw(`
		SELECT posting FROM ledger_entries WHERE posting LIKE 'hold:%'
		GROUP BY posting HAVING COUNT(*) > 2 ORDER BY posting LIMIT ?`, findingsLimit).Scan(&orders).Error
	if err != nil {
		return nil, err
	}
	var refs []string
	err = s.db.Read(ctx).Raw(`
		SELECT hold_ref FROM payments WHERE hold_ref <> ''
		GROUP BY hold_ref HAVING COUNT(*) > 1 ORDER BY hold_ref LIMIT ?`, findingsLimit).Scan(&refs).Error
	if err != nil {
		return nil, err
	}
	var findings []string
	for _, posting := range orders {
		findings = append(findings, fmt.Sprintf("posting %s has more than two lines", posting))
	}
	for _, ref := range refs {
		findings = append(findings, fmt.Sprintf("hold %s belongs to more than one order", ref))
	}
	return findings, nil
}

// VoidsGivenUp returns a line for each payment whose release has failed for good
// and was not made up for since; at most 100.
func (s *Service) VoidsGivenUp(ctx context.Context) ([]string, error) {
	var rows []Payment
	err := s.db.Read(ctx).Where("void_failed_at IS NOT NULL").Order("order_id").Limit(findingsLimit).Find(&rows).Error
	findings := make([]string, len(rows))
	for i, p := range rows {
		findings[i] = fmt.Sprintf("order %s: releasing %s was given up at %s; the payment is %s",
			p.OrderID, p.Amount, p.VoidFailedAt.Format(time.RFC3339), p.Status)
	}
	return findings, err
}
