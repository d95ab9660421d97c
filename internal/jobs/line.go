package jobs

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// line is asynq's connection to Redis. Scripts that are asked for at the same
// time go as one pipeline, and those that complete tasks of one queue as one script.
type line struct {
	redis.UniversalClient
	scripts *grouper[*script]
}

// script is a call of a Lua script that waits for its answer.
type script struct {
	cmd  *redis.Cmd
	sha  string
	keys []string
	args []any
	done chan struct{}
}

const (
	lineWorkers = 2
	lineMost    = 128
	lineTimeout = 5 * time.Second
)

func newLine(c redis.UniversalClient) *line {
	l := &line{UniversalClient: c}
	l.scripts = newGrouper(lineWorkers, lineMost, l.send)
	return l
}

// EvalSha implements redis.Scripter.
func (l *line) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	s := &script{redis.NewCmd(ctx), sha, keys, args, make(chan struct{})}
	if !l.scripts.add(s) {
		s.cmd.SetErr(redis.ErrClosed)
		return s.cmd
	}
	<-s.done
	return s.cmd
}

// send carries out a group of scripts; each one's command holds its own answer.
func (l *line) send(group []*script) {
	ctx, cancel := context.WithTimeout(context.Background(), lineTimeout)
	defer cancel()
	pipe := l.Pipeline()
	var settle []func()
	for _, calls := range alike(group) {
		settle = append(settle, l.put(ctx, pipe, calls))
	}
	_, _ = pipe.Exec(ctx)
	for _, s := range settle {
		s()
	}
	for _, s := range group {
		close(s.done)
	}
}

// alike returns the calls that one bulk script does together, and by themselves
// those that none does.
func alike(group []*script) (all [][]*script) {
	at := map[string]int{} // by queue and day
	for _, s := range group {
		if !s.completes() {
			all = append(all, []*script{s})
			continue
		}
		name := strings.Join(s.queueKeys(), " ")
		i, ok := at[name]
		if !ok {
			i = len(all)
			at[name], all = i, append(all, nil)
		}
		all[i] = append(all[i], s)
	}
	return all
}

// put adds calls to a pipeline and returns what takes their answer from it.
func (l *line) put(ctx context.Context, pipe redis.Pipeliner, calls []*script) (settle func()) {
	if len(calls) == 1 {
		s := calls[0]
		cmd := pipe.EvalSha(ctx, s.sha, s.keys, s.args...)
		return func() {
			s.cmd.SetVal(cmd.Val())
			s.cmd.SetErr(cmd.Err())
		}
	}
	keys, args := together(calls)
	cmd := completeAll.EvalSha(ctx, pipe, keys, args...)
	return func() {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			cmd = completeAll.Eval(ctx, l.UniversalClient, keys, args...)
		}
		answer(calls, cmd)
	}
}
