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

// gatewayHolds is the account of all money that the gateway holds for us.
const gatewayHolds = "gateway:holds"

// riderHolds is the account of the money that is held on one rider.
func riderHolds(rider uuid.UUID) string { return "rider:" + rider.String() + ":holds" }

func holdPosting(order uuid.UUID) string { return "hold:" + order.String() }
func voidPosting(order uuid.UUID) string { return "void:" + order.String() }

// transfer posts amount from one account to another. The posting's name is
// unique: posting it again fails with db.ErrDuplicate and so changes nothing.
func transfer(tx *db.Tx, posting string, amount money.Amount, from, to string, at time.Time) error {
	err := tx.Create([]Entry{
		{Posting: posting, Account: to, Amount: amount, CreatedAt: at},
		{Posting: posting, Account: from, Amount: -amount, CreatedAt: at},
	}).Error
	if err != nil {
		return fmt.Errorf("post %s: %w", posting, err)
	}
	return nil
}
