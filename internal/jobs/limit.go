package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/clock"
)

// Window allows at most Max runs with the same Key in any span of Per.
type Window struct {
	Key string
	Max int
	Per time.Duration
}

// Limiter counts runs in Redis, for all workers together.
type Limiter struct {
	redis redis.UniversalClient
	clock clock.Clock
	now   bool // who finds no room now gets no promise of later room
}

// NewLimiter returns a limiter on the given server.
func NewLimiter(r redis.UniversalClient, c clock.Clock) *Limiter { return &Limiter{redis: r, clock: c} }

// withoutPromises returns the limiter for those who do not come back.
func (l *Limiter) withoutPromises() *Limiter { return &Limiter{l.redis, l.clock, true} }

// reserve keeps, for each window, a sorted set of the times of its runs
// ("r:member") and of the runs it has promised to those who wait ("p:member").
//
// A newcomer gets the earliest time that keeps all windows: in each, the
// max-th newest time, promises included, lies the window's span before it. Where
// that is later than now it is written down as a promise, so that those who wait
// are served in order. Who comes back with a promise is let through once the runs
// themselves have room; delivered late, it may have to wait a little longer, since
// the limit holds for the times of the runs and not for those of the promises.
//
// KEYS: one a window. ARGV: member, now (µs), then max and span (µs) a window, and
// at last "now" from who wants no promise. Returns the µs to wait.
var reserve = redis.NewScript(`
local me, now = ARGV[1], tonumber(ARGV[2])
local at, promised = now, false
for _, key in ipairs(KEYS) do
	if redis.call("ZSCORE", key, "p:" .. me) then promised = true end
end
for i, key in ipairs(KEYS) do
	local max, per = tonumber(ARGV[2*i+1]), tonumber(ARGV[2*i+2])
	redis.call("ZREMRANGEBYSCORE", key, "-inf", string.format("%.0f", now - per - 60000000))
	local nth
	if promised then
		local times = redis.call("ZREVRANGEBYSCORE", key, string.format("%.0f", now), string.format("(%.0f", now - per), "WITHSCORES")
		local runs = 0
		for j = 1, #times, 2 do
			if string.sub(times[j], 1, 2) == "r:" then
				runs = runs + 1
				if runs == max then nth = times[j+1] end
			end
		end
	else
		nth = redis.call("ZREVRANGE", key, max - 1, max - 1, "WITHSCORES")[2]
	end
	if nth then at = math.max(at, tonumber(nth) + per) end
end
local word = "r:"
if at > now then
	if ARGV[#ARGV] == "now" then return string.format("%.0f", at - now) end
	word = "p:"
end
for i, key in ipairs(KEYS) do
	redis.call("ZREM", key, "p:" .. me)
	redis.call("ZADD", key, string.format("%.0f", at), word .. me)
	redis.call("PEXPIRE", key, string.format("%.0f", (at - now + tonumber(ARGV[2*i+2])) / 1000 + 60000))
end
return string.format("%.0f", at - now)
`)

// Reserve asks all windows at once for a run of member. It returns zero when it
// may run now, else how long it must wait before it asks again under the same name.
func (l *Limiter) Reserve(ctx context.Context, member string, windows ...Window) (time.Duration, error) {
	keys := make([]string, len(windows))
	args := []any{member, l.clock.Now().UnixMicro()}
	for i, w := range windows {
		keys[i] = w.key()
		args = append(args, w.Max, w.Per.Microseconds())
	}
	if l.now {
		args = append(args, "now")
	}
	wait, err := reserve.Run(ctx, l.redis, keys, args...).Int64()
	if err != nil {
		return 0, fmt.Errorf("rate limit: %w", err)
	}
	return time.Duration(wait) * time.Microsecond, nil
}

// Claim is Reserve for a run that is made now or not at all: it reports whether the
// windows have room, and promises none of later times.
func (l *Limiter) Claim(ctx context.Context, member string, windows ...Window) (ok bool, err error) {
	wait, err := l.withoutPromises().Reserve(ctx, member, windows...)
	return err == nil && wait == 0, err
}

// GiveBack frees what a run of member took of the windows, for a run that came to nothing.
func (l *Limiter) GiveBack(ctx context.Context, member string, windows ...Window) error {
	pipe := l.redis.Pipeline()
	for _, w := range windows {
		pipe.ZRem(ctx, w.key(), "r:"+member)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("rate limit: %w", err)
	}
	return nil
}

// key is where a window's runs are kept. One hash tag: on a cluster the windows of
// one script must share a slot.
func (w Window) key() string { return "spotpool:{limit}:" + w.Key }
