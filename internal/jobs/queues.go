package jobs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/spotpool/spotpool/internal/db"
)

// Signals to workers stand in the database, so that an emptied Redis does not
// forget them: a pause of a queue holds until it is taken back, a restart is
// heeded by those who began before it.
const (
	signalRestart = "restart"
	signalPause   = "pause:" // and the queue's name
)

type signalRow struct {
	Name    string
	GivenAt time.Time
}

func (signalRow) TableName() string { return "queue_signals" }

// signal gives a signal, again when it was given before.
func (c *core) signal(ctx context.Context, name string) error {
	return c.db.Tx(ctx, func(tx *db.Tx) error {
		now := c.clock.Now()
		n, err := tx.Change("UPDATE queue_signals SET given_at = ? WHERE name = ?", now, name)
		if err != nil || n > 0 {
			return err
		}
		return tx.Create(&signalRow{name, now}).Error
	})
}

// signalled returns when a signal was given last, the zero time when it was not.
func (c *core) signalled(ctx context.Context, name string) (time.Time, error) {
	var rows []signalRow
	err := c.db.Read(ctx).Where("name = ?", name).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	return rows[0].GivenAt, nil
}

// paused returns the queues that are paused, and since when.
func (c *core) paused(ctx context.Context) (map[string]time.Time, error) {
	var rows []signalRow
	err := c.db.Read(ctx).Where("name LIKE ?", signalPause+"%").Find(&rows).Error
	since := make(map[string]time.Time, len(rows))
	for _, r := range rows {
		since[strings.TrimPrefix(r.Name, signalPause)] = r.GivenAt
	}
	return since, err
}

// asynq's keys, which this package reads where its inspector would cost a scan
// of the queue's memory, or knows no answer.
func pendingKey(queue string) string { return "asynq:{" + queue + "}:pending" }
func pausedKey(queue string) string  { return "asynq:{" + queue + "}:paused" }
func activeKey(queue string) string  { return "asynq:{" + queue + "}:active" }
func leaseKey(queue string) string   { return "asynq:{" + queue + "}:lease" }
func taskPrefix(queue string) string { return "asynq:{" + queue + "}:t:" }

const queuesKey = "asynq:queues"

// restoreQueues writes down in Redis what it forgot if it was emptied: that the
// queues exist, which asynq's client says once in its life, and which are paused.
//
// Pauses are given and taken back meanwhile. So Redis is asked before the database,
// and a mark is removed only if it is still the one that was seen then; and the
// database is asked again about marks that were made.
func (s *System) restoreQueues(ctx context.Context, queues []string) error {
	if !s.delivers() {
		return errNoRedis
	}
	var errs []error
	seen := make(map[string]string, len(queues))
	for _, q := range queues {
		mark, err := s.broker(q).register(ctx, q)
		if errs = append(errs, err); err == nil {
			seen[q] = mark
		}
	}
	paused, err := s.core.paused(ctx)
	if err != nil {
		return err
	}
	marked := make(map[string]string)
	for q, mark := range seen {
		since, held := paused[q]
		switch want := pauseMark(since); {
		case held && (mark == "" || ours(mark) && mark != want):
			marked[q] = want
			errs = append(errs, s.broker(q).redis.Set(ctx, pausedKey(q), want, 0).Err())
		case !held && ours(mark):
			errs = append(errs, s.broker(q).unmark(ctx, q, mark))
		}
	}
	if len(marked) == 0 {
		return distinct(errs)
	}
	if paused, err = s.core.paused(ctx); err != nil {
		return err
	}
	for q, mark := range marked {
		switch since, held := paused[q]; {
		case !held:
			errs = append(errs, s.broker(q).unmark(ctx, q, mark))
		case pauseMark(since) != mark: // paused anew, and its mark was overwritten
			errs = append(errs, s.broker(q).redis.Set(ctx, pausedKey(q), pauseMark(since), 0).Err())
		}
	}
	return distinct(errs)
}

// ourMark begins what Redis holds for a queue that a signal paused. One that was
// paused in asynqmon's pages has another value there, and is left alone.
const ourMark = "spotpool:"

func ours(mark string) bool { return strings.HasPrefix(mark, ourMark) }

func pauseMark(since time.Time) string {
	return ourMark + strconv.FormatInt(since.UnixMicro(), 10)
}

// register says that the queue exists and returns its pause mark, "" without one.
func (b *broker) register(ctx context.Context, queue string) (mark string, err error) {
	if err := b.redis.SAdd(ctx, queuesKey, queue).Err(); err != nil {
		return "", err
	}
	mark, err = b.redis.Get(ctx, pausedKey(queue)).Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return mark, err
}

// unmark removes a pause mark, unless there is another one by now.
func (b *broker) unmark(ctx context.Context, queue, mark string) error {
	return deleteIf.Run(ctx, b.redis, []string{pausedKey(queue)}, mark).Err()
}

// headSample is how many tasks at the head of a queue are asked since when they
// wait: those that were told to run now do not say.
const headSample = 16

// oldest returns how long the oldest pending task of a queue has waited, zero
// when none is pending. ok is false when no task at the head says.
func (b *broker) oldest(ctx context.Context, queue string) (waited time.Duration, ok bool, err error) {
	head, err := b.redis.LRange(ctx, pendingKey(queue), -headSample, -1).Result()
	if err != nil || len(head) == 0 {
		return 0, err == nil, err
	}
	for _, id := range slices.Backward(head) {
		since, err := b.redis.HGet(ctx, taskPrefix(queue)+id, "pending_since").Int64()
		if errors.Is(err, redis.Nil) {
			continue
		}
		return max(0, time.Since(time.Unix(0, since))), err == nil, err
	}
	return 0, false, nil
}

// QueueView is a queue as it stands in Redis.
type QueueView struct {
	Name      string
	Paused    bool
	Pending   int64         // wait for a worker
	Active    int64         // run
	Scheduled int64         // put off, for a delay
	Retry     int64         // put off, after a release or a failed attempt
	Archived  int64         // failed
	Wait      time.Duration // of the oldest pending one
}

// depth counts a queue's tasks.
func (s *System) depth(ctx context.Context, queue string) (v QueueView, err error) {
	if !s.delivers() {
		return v, errNoRedis
	}
	b := s.broker(queue)
	v.Name = queue
	if v.Wait, _, err = b.oldest(ctx, queue); err != nil {
		return v, err
	}
	pipe := b.redis.Pipeline()
	key := "asynq:{" + queue + "}:"
	paused := pipe.Exists(ctx, pausedKey(queue))
	pending, active := pipe.LLen(ctx, key+"pending"), pipe.LLen(ctx, key+"active")
	scheduled, retry, archived := pipe.ZCard(ctx, key+"scheduled"), pipe.ZCard(ctx, key+"retry"), pipe.ZCard(ctx, key+"archived")
	if _, err := pipe.Exec(ctx); err != nil {
		return v, err
	}
	v.Paused, v.Pending, v.Active = paused.Val() > 0, pending.Val(), active.Val()
	v.Scheduled, v.Retry, v.Archived = scheduled.Val(), retry.Val(), archived.Val()
	return v, nil
}
