package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/spotpool/spotpool/internal/clock"
)

// Rate says how many requests a second, of the wall's clock, this process takes from
// one user, and from one address that has not signed in. Bursts may be twice as large.
type Rate struct {
	User    float64
	Address float64
}

// limiter keeps a token bucket for each user and address.
type limiter struct {
	rate  Rate
	clock clock.Clock

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// maxBuckets bounds the limiter's memory. Forgetting all buckets now and then
// gives everybody one more burst, no more.
const maxBuckets = 100_000

func newLimiter(r Rate, c clock.Clock) *limiter {
	return &limiter{rate: r, clock: c, buckets: map[string]*rate.Limiter{}}
}

func (l *limiter) bucket(name string, perSecond float64) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.buckets[name]
	if !ok {
		if len(l.buckets) >= maxBuckets {
			clear(l.buckets)
		}
		b = rate.NewLimiter(rate.Limit(perSecond/l.clock.Speed()), burst(perSecond))
		l.buckets[name] = b
	}
	return b
}

func burst(perSecond float64) int { return max(1, int(math.Ceil(2*perSecond))) }

func (s *Server) limitByUser(c *gin.Context) {
	s.limit(c, who(c).UserID.String(), s.limiter.rate.User)
}

func (s *Server) limitByAddress(c *gin.Context) {
	s.limit(c, c.RemoteIP(), s.limiter.rate.Address)
}

// limit refuses what comes too fast. The headers are those of
// draft-ietf-httpapi-ratelimit-headers; a rate of zero limits nothing.
func (s *Server) limit(c *gin.Context, name string, perSecond float64) {
	if perSecond <= 0 {
		return
	}
	b, now := s.limiter.bucket(name, perSecond), s.limiter.clock.Now()
	ok, left := b.AllowN(now, 1), b.TokensAt(now)
	full := time.Duration((float64(b.Burst()) - left) / perSecond * float64(time.Second))
	c.Header("RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, b.Burst(), int(math.Ceil(float64(b.Burst())/perSecond))))
	c.Header("RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, max(0, int(left)), int(math.Ceil(full.Seconds()))))
	if !ok {
		wait := math.Max(1, math.Ceil((1-left)/perSecond))
		c.Header("Retry-After", strconv.Itoa(int(wait)))
		problem(c, http.StatusTooManyRequests, "too_many_requests", "slow down and try again after the time in Retry-After")
	}
}
