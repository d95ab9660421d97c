package account

import (
	"context"
	"slices"
	"time"

	"github.com/spotpool/spotpool/internal/clock"
	"github.com/spotpool/spotpool/internal/db"
	"github.com/spotpool/spotpool/internal/jobs"
	"github.com/spotpool/spotpool/internal/seal"
)

// Dispatcher starts single jobs in a transaction; *jobs.Client is one.
type Dispatcher interface {
	Dispatch(tx *db.Tx, jobs ...jobs.Job) error
}

// Service keeps users and signs them in. Its methods may be called concurrently.
type Service struct {
	db    *db.DB
	jobs  Dispatcher
	box   *seal.Box
	clock clock.Clock
	mint  *mint
}

// New returns a service whose tokens live for life, by the wall's clock, and are signed
// under a key that is derived from secret. It refuses a secret shorter than 16 bytes.
func New(d *db.DB, j Dispatcher, box *seal.Box, clk clock.Clock, secret []byte, life time.Duration) (*Service, error) {
	m, err := newMint(secret, life, clk)
	if err != nil {
		return nil, err
	}
	return &Service{db: d, jobs: j, box: box, clock: clk, mint: m}, nil
}

// Mint returns a new token for u.
func (s *Service) Mint(u User) (Token, error) { return s.mint.token(u) }

// Verify returns what a token says, ErrTokenExpired when its time is over, and
// ErrTokenInvalid when it is not one of ours. It asks no database.
func (s *Service) Verify(text string) (Identity, error) { return s.mint.verify(text) }

// Ensure returns the user with a phone number and gives them the role; a number
// that is not known yet becomes a user.
func (s *Service) Ensure(ctx context.Context, phone string, role Role) (User, error) {
	users, err := s.EnsureMany(ctx, []string{phone}, role)
	if err != nil {
		return User{}, err
	}
	return users[0], nil
}

// EnsureMany is Ensure for many numbers at once. The users come in the order of phones.
func (s *Service) EnsureMany(ctx context.Context, phones []string, role Role) ([]User, error) {
	if err := checkRole(role, Rider, Driver, Operator); err != nil {
		return nil, err
	}
	for _, phone := range phones {
		if err := checkPhone(phone); err != nil {
			return nil, err
		}
	}
	users := make(map[string]User, len(phones))
	for chunk := range slices.Chunk(phones, upsertChunk) {
		err := s.db.Tx(ctx, func(tx *db.Tx) error {
			found, err := upsert(tx, chunk, role, s.clock.Now())
			for _, u := range found {
				users[u.Phone] = u
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	ordered := make([]User, len(phones))
	for i, phone := range phones {
		ordered[i] = users[phone]
	}
	return ordered, nil
}
