package trip

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/geo"
)

// Position is where a trip's vehicle was at a time.
type Position struct {
	geo.Point
	At time.Time `json:"at"`
}

// positionLife is how long a position is shown that no other one follows.
const positionLife = 2 * time.Minute

// Positions keeps the newest position of each trip in Redis, which may forget them.
type Positions struct{ redis redis.UniversalClient }

// NewPositions returns the positions that a Redis keeps.
func NewPositions(rdb redis.UniversalClient) *Positions { return &Positions{rdb} }

func positionKey(trip uuid.UUID) string { return "spotpool:position:" + trip.String() }

// Put replaces a trip's position.
func (p *Positions) Put(ctx context.Context, trip uuid.UUID, where Position) error {
	raw, err := json.Marshal(where)
	if err != nil {
		return err
	}
	return p.redis.Set(ctx, positionKey(trip), raw, positionLife).Err()
}

// Of returns a trip's position; ok is false when there is none, or none newer than two minutes.
func (p *Positions) Of(ctx context.Context, trip uuid.UUID) (where Position, ok bool, err error) {
	raw, err := p.redis.Get(ctx, positionKey(trip)).Bytes()
	if errors.Is(err, redis.Nil) {
		return where, false, nil
	}
	if err != nil {
		return where, false, err
	}
	err = json.Unmarshal(raw, &where)
	return where, err == nil, err
}
