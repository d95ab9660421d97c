package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// ErrLocked says that somebody else holds a lock.
var ErrLocked = errors.New("locked")

// Locker keeps locks in Redis, for all workers together.
type Locker struct{ redis redis.UniversalClient }

// NewLocker returns a locker on the given server.
func NewLocker(r redis.UniversalClient) *Locker { return &Locker{r} }

// A lock is changed only by who holds it. KEYS: the lock. ARGV: its token, expiry (ms).
var (
	renewLock = redis.NewScript(`
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
return 0`)
	deleteIf = redis.NewScript(`
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0`)
)

// Lock takes a lock and renews it until it is unlocked; it expires when this
// process dies. It returns ErrLocked when the lock is taken.
func (l *Locker) Lock(ctx context.Context, name string, expiry time.Duration) (unlock func(), err error) {
	key, token := "spotpool:lock:"+name, uuid.NewString()
	err = l.redis.SetArgs(ctx, key, token, redis.SetArgs{Mode: "NX", TTL: expiry}).Err()
	if errors.Is(err, redis.Nil) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	// The lock outlives the time of the attempt: until the handler has returned.
	hold, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(expiry / 3)
		defer tick.Stop()
		for {
			select {
			case <-hold.Done():
				return
			case <-tick.C:
				_ = renewLock.Run(hold, l.redis, []string{key}, token, expiry.Milliseconds()).Err()
			}
		}
	}()
	return func() {
		stop()
		<-ended
		free, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliveryTimeout)
		defer cancel()
		_ = deleteIf.Run(free, l.redis, []string{key}, token).Err() // or it expires
	}, nil
}
