package account

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/notify"
)

// Durations are by the wall's clock: it is people who wait for a code and type it in.
const (
	codeLife  = 5 * time.Minute
	codeTries = 5
	codePause = time.Minute // between two codes to one number
)

// RequestCode has a new sign-in code sent to a phone number, whose owner
// becomes a rider when not known yet. It returns the fault "phone_invalid" for
// what is not a number.
//
// Nothing is sent within a minute of the code before, nor while that one is
// alive and out of tries. A newer code brings no new tries while the older one
// lives, so that asking again and again does not help to guess.
func (s *Service) RequestCode(tx *db.Tx, phone string) error {
	if err := checkPhone(phone); err != nil {
		return err
	}
	u, err := s.newcomer(tx, phone)
	if err != nil {
		return err
	}
	old, err := currentCode(tx, u.ID)
	if err != nil {
		return err
	}
	now, life, gap := s.clock.Now(), clock.App(s.clock, codeLife), clock.App(s.clock, codePause)
	tries := codeTries
	if now.Before(old.ExpiresAt) {
		sent := old.ExpiresAt.Add(-life)
		if old.TriesLeft == 0 || now.Before(sent.Add(gap)) {
			return nil
		}
		tries = old.TriesLeft
	}
	code := newCode()
	expires := now.Add(life)
	err = saveCode(tx, signInCode{
		UserID: u.ID, CodeDigest: s.digest(u.ID, code), TriesLeft: tries, ExpiresAt: expires,
	})
	if err != nil {
		return err
	}
	return s.jobs.Dispatch(tx, notify.Code(u.ID, code, expires))
}

// Session is what a sign-in came to.
type Session struct {
	Token Token
	User  User

	// Refused is ErrCodeWrong when the code was not right; the rest is empty
	// then. It is a value because the transaction that counted the try must
	// commit all the same.
	Refused error
}

// SignIn exchanges the code that was sent to a phone number for a token. A code
// works once and is tried five times at most. role, when not empty, makes the
// user a rider or a driver; an operator stays one.
//
// The caller commits whenever the error is nil, whatever Session.Refused says.
func (s *Service) SignIn(tx *db.Tx, phone, code string, role Role) (Session, error) {
	if err := checkPhone(phone); err != nil {
		return Session{}, err
	}
	if role != "" {
		if err := checkRole(role, Rider, Driver); err != nil {
			return Session{}, err
		}
	}
	u, ok, err := s.admit(tx, phone, code)
	if err != nil {
		return Session{}, err
	}
	if !ok {
		return Session{Refused: ErrCodeWrong}, nil
	}
	if role != "" && u.Role != Operator && u.Role != role {
		if _, err := tx.Change("UPDATE users SET role = ? WHERE id = ? AND role = ?", role, u.ID, u.Role); err != nil {
			return Session{}, err
		}
		u.Role = role
	}
	token, err := s.Mint(u)
	return Session{Token: token, User: u}, err
}

// admit spends a try on code and reports whether it was right; a right one is used up.
func (s *Service) admit(tx *db.Tx, phone, code string) (u User, ok bool, err error) {
	u, err = byPhone(tx, phone)
	if errors.Is(err, ErrNotFound) {
		return User{}, false, nil
	}
	if err != nil {
		return User{}, false, err
	}
	live, ok, err := spendTry(tx, u.ID, s.clock.Now())
	if err != nil || !ok {
		return User{}, false, err
	}
	if subtle.ConstantTimeCompare([]byte(live.CodeDigest), []byte(s.digest(u.ID, code))) == 0 {
		return User{}, false, nil
	}
	_, err = tx.Change("DELETE FROM sign_in_codes WHERE user_id = ?", u.ID)
	return u, err == nil, err
}

// digest binds a code to its user, so that equal codes do not look equal in the database.
func (s *Service) digest(user uuid.UUID, code string) string {
	return s.box.Digest(user.String() + " " + code)
}

// newCode returns six random decimal digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return fmt.Sprintf("%06d", n)
}
