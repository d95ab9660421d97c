package jobs

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// line is asynq's connection to Redis. Scripts that are asked for at the same
// time are sent as one pipeline.
type line struct {
	redis.UniversalClient
	scripts *grouper[*script]
}

// script is a call of a Lua script that waits for its answer.
type script struct {
	cmd  *redis.Cmd
	done chan struct{}
}

const (
	lineWorkers = 2
	lineMost    = 64
	lineTimeout = 5 * time.Second
)

func newLine(c redis.UniversalClient) *line {
	l := &line{UniversalClient: c}
	l.scripts = newGrouper(lineWorkers, lineMost, l.send)
	return l
}

// EvalSha implements redis.Scripter.
func (l *line) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	s := &script{scriptCmd(ctx, sha, keys, args), make(chan struct{})}
	if !l.scripts.add(s) {
		s.cmd.SetErr(redis.ErrClosed)
		return s.cmd
	}
	<-s.done
	return s.cmd
}

// scriptCmd returns the command EVALSHA, whose first key stands at position 3.
func scriptCmd(ctx context.Context, sha string, keys []string, args []any) *redis.Cmd {
	words := make([]any, 0, 3+len(keys)+len(args))
	words = append(words, "evalsha", sha, len(keys))
	for _, k := range keys {
		words = append(words, k)
	}
	cmd := redis.NewCmd(ctx, append(words, args...)...)
	cmd.SetFirstKeyPos(3)
	return cmd
}

func (l *line) send(group []*script) {
	ctx, cancel := context.WithTimeout(context.Background(), lineTimeout)
	defer cancel()
	pipe := l.Pipeline()
	for _, s := range group {
		_ = pipe.Process(ctx, s.cmd)
	}
	_, _ = pipe.Exec(ctx) // each command holds its own error
	for _, s := range group {
		close(s.done)
	}
}
