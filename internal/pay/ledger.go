package pay

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/money"
)

// Entry is one line of the ledger: an amount on an account. The lines of one
// posting sum to zero; they are only ever added, never changed.
type Entry struct {
	Posting   string `gorm:"primaryKey"` // the business event, "hold:<order id>"
	Account   string `gorm:"primaryKey"`
	Amount    money.Amount
	CreatedAt time.Time
}

// TableName implements gorm's Tabler.
func (Entry) TableName() string { return "ledger_entries" }

// The accounts. What we have, or are owed, is positive; what we owe, and what we
// have earned, is negative. Holds are not our money: their two accounts mirror each other.
const (
	gatewayHolds    = "gateway:holds"    // reserved for us at the gateway
	gatewayCash     = "gateway:cash"     // taken, less what was paid out and given back
	platformRevenue = "platform:revenue" // our fees
)

// riderHolds is the account of the money that is held on one rider.
func riderHolds(rider uuid.UUID) string { return "rider:" + rider.String() + ":holds" }

// riderDebt is the account of what a rider owes us because it could not be taken.
func riderDebt(rider uuid.UUID) string { return "rider:" + rider.String() + ":debt" }

// riderRefunds is the account of what is to be given back to a rider.
func riderRefunds(rider uuid.UUID) string { return "rider:" + rider.String() + ":refunds" }

// collected is the account of what a settlement has to share out.
func collected(settlement uuid.UUID) string { return "settlement:" + settlement.String() + ":fares" }

// driverPayable is the account of what we owe a driver.
func driverPayable(driver uuid.UUID) string { return "driver:" + driver.String() + ":payable" }

// transfer is an amount that goes from one account to another.
type transfer struct {
	amount   money.Amount
	from, to string
}

// post writes one business event: what it moves between accounts, in one line for
// each. The event's name is unique: posting it again fails with db.ErrDuplicate and
// so changes nothing.
func post(tx *db.Tx, event string, at time.Time, moves ...transfer) error {
	var lines []Entry
	add := func(account string, amount money.Amount) {
		for i := range lines {
			if lines[i].Account == account {
				lines[i].Amount += amount
				return
			}
		}
		lines = append(lines, Entry{Posting: event, Account: account, Amount: amount, CreatedAt: at})
	}
	for _, m := range moves {
		if m.amount != 0 {
			add(m.to, m.amount)
			add(m.from, -m.amount)
		}
	}
	if err := tx.Create(lines).Error; err != nil {
		return fmt.Errorf("post %s: %w", event, err)
	}
	return nil
}

// balance returns what an account comes to as the transaction sees it.
func balance(tx *db.Tx, account string) (sum money.Amount, err error) {
	err = tx.Raw("SELECT COALESCE(SUM(amount), 0) FROM ledger_entries WHERE account = ?", account).Scan(&sum).Error
	return sum, err
}
